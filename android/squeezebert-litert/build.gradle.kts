plugins {
    alias(libs.plugins.android.library)
}

group = "keras.squeezebert"

android {
    namespace = "keras.squeezebert.litert"
    compileSdk = 36

    defaultConfig {
        minSdk = 23
    }

    testOptions {
        unitTests.all { it.useJUnitPlatform() }
    }
}

dependencies {
    api(project(":squeezebert"))
    api(libs.litert)
    implementation(libs.androidx.annotation)
    testImplementation(platform(libs.junit.bom))
    testImplementation(libs.junit.jupiter)
    testImplementation(libs.kotlinx.serialization.json)
    testRuntimeOnly(libs.junit.platform.launcher)
}
