package keras.squeezebert

/** A word piece that may stand somewhere, and its probability. */
data class Guess(
    val token: String,
    val score: Float,
)

/**
 * Which word pieces may stand where a text has `[MASK]`; `keras_squeezebert.tasks.FillMask` in Kotlin.
 *
 *     FillMask(model).fill("Paris is in [MASK].").single() // [Guess(token=france, score=0.4), …]
 *
 * @param top How many pieces to tell.
 * @throws InputError The model has another head or another vocabulary, or `top` is less than 1.
 */
class FillMask(
    private val model: Model,
    private val top: Int = 5,
) {
    private val tokenizer = model.tokenizer
    private val size = tokenizer.vocabulary.size

    init {
        model.checkHead("SqueezeBertForMaskedLM")
        if (top < 1) throw InputError("`top` must be 1 or more. Received: top=$top")
        if (model.config.vocabSize != size) {
            throw InputError(
                "The model must score the tokenizer's pieces. Received: " +
                    "vocab_size=${model.config.vocabSize}, $size pieces",
            )
        }
    }

    /**
     * The likeliest pieces of each gap, the best first.
     *
     * @throws InputError The text has no `[MASK]` among the pieces that fit in a row.
     */
    fun fill(text: String): List<List<Guess>> {
        val row = encode(text)
        return decode(row, model.run(listOf(row)))
    }

    /** The row that the model takes. */
    fun encode(text: String): Encoding {
        val row = tokenizer.encode(text, maxLength = model.maxLength)
        if (tokenizer.maskTokenId !in row.inputIds) {
            throw InputError(
                "A text must have a ${tokenizer.options.maskToken} among the pieces that fit " +
                    "in a row. Received: \"${text.take(80)}\"",
            )
        }
        return row
    }

    /** What the outputs for the row say. */
    fun decode(
        row: Encoding,
        outputs: Outputs,
    ): List<List<Guess>> {
        val logits = outputs.values("logits", row.size * size)
        val gaps = row.inputIds.indices.filter { row.inputIds[it] == tokenizer.maskTokenId }
        return gaps.map { gap ->
            val scores = softmax(logits, gap * size, size)
            greatest(scores, top).map { Guess(tokenizer.vocabulary[it], scores[it]) }
        }
    }
}
