package keras.squeezebert

/**
 * Which choice goes on best from a text.
 *
 * @property choice The number of the best, from 0.
 * @property scores The probability of each.
 */
data class Choice(
    val choice: Int,
    val scores: List<Float>,
)

/**
 * Which of several continuations of a text fits best; `keras_squeezebert.tasks.MultipleChoice` in
 * Kotlin.
 *
 *     MultipleChoice(model).choose("She opened", listOf("the door.", "a rain.")).choice // 0
 *
 * @throws InputError The model has another head.
 */
class MultipleChoice(
    private val model: Model,
) {
    init {
        model.checkHead("SqueezeBertForMultipleChoice")
    }

    /**
     * The best of some choices.
     *
     * @param context What they go on from.
     * @param choices As many as the model's file takes, or fewer.
     * @throws InputError There are none, or more than the file takes.
     */
    fun choose(
        context: String,
        choices: List<String>,
    ): Choice = decode(choices.size, model.run(encode(context, choices)))

    /** The rows that the model takes together. */
    fun encode(
        context: String,
        choices: List<String>,
    ): List<Encoding> {
        if (choices.isEmpty()) throw InputError("There must be a choice at least. Received: none")
        return choices.map { model.tokenizer.encode(context, it, model.maxLength) }
    }

    /** What the outputs for the rows say; those beyond the choices are not looked at. */
    fun decode(
        choices: Int,
        outputs: Outputs,
    ): Choice {
        val scores = softmax(outputs.values("logits", choices), count = choices)
        return Choice(greatest(scores, 1).single(), scores.toList())
    }
}
