import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

group = "keras.squeezebert"

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_1_8
        // What is newer than Java 8's API is missing on older phones.
        freeCompilerArgs.add("-Xjdk-release=1.8")
        allWarningsAsErrors = true
    }
}

java {
    sourceCompatibility = JavaVersion.VERSION_1_8
    targetCompatibility = JavaVersion.VERSION_1_8
}

tasks.processResources {
    // The one table of all tokenizers, which keras_squeezebert/tokenizers/portable.py writes.
    from("../../keras_squeezebert/tokenizers/code_points.txt") {
        into("keras/squeezebert")
    }
}

tasks.test {
    useJUnitPlatform()
    // Tests read them from there.
    inputs.dir("../../tests/portable")
    inputs.file("../../keras_squeezebert/tokenizers/bert_uncased_vocab.txt")
}

dependencies {
    implementation(libs.kotlinx.serialization.json)
    testImplementation(platform(libs.junit.bom))
    testImplementation(libs.junit.jupiter)
    testRuntimeOnly(libs.junit.platform.launcher)
}
