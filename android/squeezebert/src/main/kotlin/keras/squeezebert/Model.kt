package keras.squeezebert

/** What a model gives, by name: the values of one example, flat, the last axis fastest. */
typealias Outputs = Map<String, FloatArray>

/**
 * What runs rows of tokens: `SqueezeBertModel` of the module squeezebert-litert, or a stand-in.
 *
 * The heads, [SequenceClassification] and so on, are the same for all of them. Each makes rows of
 * texts, `encode`; and of what the model gives for these an answer, `decode`.
 */
interface Model {
    /** What answers are made with. */
    val config: ModelConfig

    /** The model's own. */
    val tokenizer: SqueezeBertTokenizer

    /** The most tokens of a row. */
    val maxLength: Int

    /**
     * Runs one example.
     *
     * @param rows Its row; of multiple choice one for each choice. None is longer than [maxLength].
     * @return `logits`, of question answering `start_logits` and `end_logits`. Of a model whose
     *   file ends in a softmax or a logistic function `probabilities` stand for the logits. What
     *   there is for each token is as long as the longest row, or longer.
     */
    fun run(rows: List<Encoding>): Outputs
}

/** Checks that a model is of the head that is to make its answers. */
internal fun Model.checkHead(architecture: String) {
    if (config.architecture != architecture) {
        throw InputError(
            "This .tflite has another head: `architectures` in its config.json must be " +
                "[\"$architecture\"]. Received: ${config.architecture ?: "none"}",
        )
    }
}

/** An output of the model; it may hold more than is needed. */
internal fun Outputs.values(
    name: String,
    size: Int,
): FloatArray {
    val values = this[name]
    if (values == null || values.size < size) {
        throw InputError(
            "The model must give $size values or more of `$name`. Received: " +
                entries.joinToString { "${it.value.size} of `${it.key}`" }.ifEmpty { "nothing" },
        )
    }
    return values
}
