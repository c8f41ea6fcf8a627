package keras.squeezebert

import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException

/**
 * What `squeezebert export` packs into a .tflite: its config and its tokenizer.
 *
 * @property config What answers are made with.
 * @property tokenizerOptions Those of the tokenizer.
 * @property vocabulary The tokens in the order of their ids.
 */
class TfliteFile(
    val config: ModelConfig,
    val tokenizerOptions: TokenizerOptions,
    val vocabulary: List<String>,
) {
    companion object {
        /**
         * Reads them from the file's end.
         *
         * @param bytes The whole file, best mapped into memory: little of it is touched. Its
         *   position and limit stay as they are.
         * @throws InputError It is no .tflite, was cut short or is damaged, lacks a vocabulary, or
         *   is of another model.
         */
        fun read(bytes: ByteBuffer): TfliteFile {
            val archive = ZipAtEnd(checked(bytes))
            val config = ModelConfig.parse(archive.text("config.json") ?: throw noConfig())
            val vocabulary = lines(archive.text("vocab.txt") ?: throw noVocabulary())
            if (vocabulary.size > config.vocabSize) {
                throw InputError(
                    "The vocabulary is of another model: it has more tokens than the model. " +
                        "Received: ${vocabulary.size} tokens, vocab_size=${config.vocabSize}",
                )
            }
            val options = TokenizerOptions.parse(archive.text("tokenizer_config.json") ?: "{}")
            return TfliteFile(config, options, vocabulary)
        }
    }
}

private fun noConfig() =
    InputError(
        "This .tflite is of another model: config.json in it must say " +
            "\"model_type\": \"squeezebert\". Received: no config.json",
    )

private fun noVocabulary() =
    InputError(
        "This .tflite carries no vocabulary: give `squeezebert export` a model with its " +
            "tokenizer, or `export_tflite` the argument `tokenizer`. Received: no vocab.txt",
    )

private const val MARK = "TFL3"

/** The buffer from its position on, once it has been seen that it holds a .tflite. */
private fun checked(bytes: ByteBuffer): ByteBuffer {
    val file = bytes.slice()
    val mark =
        (4 until 4 + MARK.length)
            .takeIf {
                it.last < file.limit()
            }?.map { file.get(it).toInt().toChar() }
    if (mark?.joinToString("") != MARK) {
        throw InputError(
            "This is no .tflite file. Received: ${file.limit()} bytes without its mark, $MARK",
        )
    }
    return file
}

private fun ZipAtEnd.text(name: String): String? {
    val contents = read(name) ?: return null
    return try {
        // A new decoder, unlike String(), refuses what is not UTF-8.
        Charsets.UTF_8
            .newDecoder()
            .decode(ByteBuffer.wrap(contents))
            .toString()
    } catch (_: CharacterCodingException) {
        throw InputError("$name must be UTF-8. Received: other bytes")
    }
}

/** The tokens, one a line; they may hold U+2028 and its like. */
private fun lines(text: String): List<String> =
    text
        .replace("\r\n", "\n")
        .replace('\r', '\n')
        .removeSuffix("\n")
        .split('\n')
