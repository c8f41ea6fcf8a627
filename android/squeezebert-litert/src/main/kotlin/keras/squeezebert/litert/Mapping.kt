package keras.squeezebert.litert

import android.content.res.AssetManager
import java.io.File
import java.io.FileInputStream
import java.nio.MappedByteBuffer
import java.nio.channels.FileChannel.MapMode.READ_ONLY

/**
 * A model among the app's assets, mapped into memory.
 *
 * @throws java.io.IOException There is none of that name, or it is compressed in the APK: Gradle's
 *   Android plugin leaves files as they are whose names end in `.tflite`.
 */
fun AssetManager.map(name: String): MappedByteBuffer =
    openFd(name).use { asset ->
        asset.createInputStream().use {
            it.channel.map(READ_ONLY, asset.startOffset, asset.declaredLength)
        }
    }

/**
 * A model in a file, as one that was downloaded, mapped into memory.
 *
 * @throws java.io.IOException It cannot be read.
 */
fun File.map(): MappedByteBuffer =
    FileInputStream(this).use {
        it.channel.map(READ_ONLY, 0, length())
    }
