package keras.squeezebert.litert

import androidx.annotation.WorkerThread
import keras.squeezebert.Encoding
import keras.squeezebert.InputError
import keras.squeezebert.Model
import keras.squeezebert.ModelConfig
import keras.squeezebert.Outputs
import keras.squeezebert.SqueezeBertTokenizer
import keras.squeezebert.TfliteFile
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.InterpreterApi
import java.nio.ByteBuffer

/**
 * A .tflite that `squeezebert export` wrote, in TensorFlow Lite's interpreter; or several of one
 * model for several lengths, of which each text is run by the shortest that it fits in.
 *
 *     SqueezeBertModel.open(listOf(assets.map("model-16.tflite"), assets.map("model-64.tflite")))
 *         .use { model -> SequenceClassification(model).answer("turn on the lights") }
 *
 * Opening it and running it take long, so neither is for the main thread. Threads may share it: one
 * runs at a time.
 */
class SqueezeBertModel internal constructor(
    file: TfliteFile,
    interpreters: List<InterpreterApi>,
) : Model,
    AutoCloseable {
    override val config: ModelConfig = file.config
    override val tokenizer: SqueezeBertTokenizer =
        SqueezeBertTokenizer(file.vocabulary, file.tokenizerOptions)
    private val buckets =
        interpreters
            .map {
                Bucket(
                    it,
                    tokenizer.padTokenId,
                )
            }.sortedBy { it.length }
            .also(::checkOneModel)
    private var isClosed = false

    override val maxLength: Int = minOf(buckets.last().length, config.maxPositionEmbeddings)

    /** Tokens of a row of each file, the shortest first. */
    val lengths: List<Int> = buckets.map { it.length }

    /**
     * Runs one example: a row; of multiple choice one for each choice.
     *
     * @throws InputError A row is longer than [maxLength], or there are more than a file takes.
     * @throws IllegalStateException It has been closed.
     */
    @WorkerThread
    @Synchronized
    override fun run(rows: List<Encoding>): Outputs {
        check(!isClosed) { "The model has been closed." }
        val length = rows.maxOfOrNull { it.size } ?: 0
        if (length > maxLength) {
            throw InputError(
                "The model takes at most $maxLength tokens in a row. Received: $length",
            )
        }
        return buckets.first { it.length >= length }.run(rows)
    }

    /** Frees the memory of the interpreters. Delegates are closed by whoever made them, later. */
    @Synchronized
    override fun close() {
        isClosed = true
        buckets.forEach { it.close() }
    }

    companion object {
        /**
         * Opens the files of a model.
         *
         * @param files Each mapped into memory, see [map]. They must stay as they are.
         * @param threads Of the interpreter. More than the fast cores of a phone slow it down.
         * @param options Further ones, as `{ addDelegate(GpuDelegate()) }`.
         * @throws InputError A file is no .tflite of this package, was cut short, or lacks its
         *   vocabulary; or the files differ in more than their length.
         */
        @JvmStatic
        @JvmOverloads
        @WorkerThread
        fun open(
            files: List<ByteBuffer>,
            threads: Int = 1,
            options: Interpreter.Options.() -> Unit = {},
        ): SqueezeBertModel =
            openWith(files) {
                Interpreter(it, Interpreter.Options().setNumThreads(threads).apply(options))
            }

        /** What makes interpreters is told, so that tests can have others. */
        internal fun openWith(
            files: List<ByteBuffer>,
            interpreter: (ByteBuffer) -> InterpreterApi,
        ): SqueezeBertModel {
            // Asked of all: an interpreter's own message about another file says little.
            val file =
                files.map { TfliteFile.read(it) }.lastOrNull()
                    ?: throw InputError("A .tflite is needed. Received: an empty list")
            val interpreters = mutableListOf<InterpreterApi>()
            try {
                files.mapTo(interpreters, interpreter)
                return SqueezeBertModel(file, interpreters)
            } catch (error: RuntimeException) {
                interpreters.forEach { it.close() }
                throw error as? InputError
                    ?: InputError("This .tflite cannot run here: ${error.message}")
            }
        }
    }
}

/** Checks that files, sorted by length, differ in that alone. */
private fun checkOneModel(buckets: List<Bucket>) {
    val isOneModel = buckets.map { it.kind }.distinct().size == 1
    if (!isOneModel || buckets.map { it.length }.distinct().size != buckets.size) {
        throw InputError(
            "The files must be of one model for several lengths, one file for each. " +
                "Received: ${buckets.joinToString()}",
        )
    }
}
