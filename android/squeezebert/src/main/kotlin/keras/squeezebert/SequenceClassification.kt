package keras.squeezebert

import kotlin.math.exp

/** What a model says of a text, by its `problem_type`. */
sealed interface TextAnswer {
    /**
     * One of several labels.
     *
     * @property label The likeliest.
     * @property scores Probabilities of all labels, the likeliest first.
     */
    data class Label(
        val label: String,
        val scores: Map<String, Float>,
    ) : TextAnswer

    /**
     * Any number of labels.
     *
     * @property labels Those that the text has, in the order of their ids.
     * @property scores Probabilities of all labels, in the same order.
     */
    data class Labels(
        val labels: List<String>,
        val scores: Map<String, Float>,
    ) : TextAnswer

    /** A number, of a regression. */
    data class Value(
        val value: Float,
    ) : TextAnswer
}

/**
 * Labels, or a number, for a text or a pair of texts, as Python's
 * `keras_squeezebert.tasks.SequenceClassification` gives them.
 *
 *     val head = SequenceClassification(model)
 *     head.answer("turn on the lights") // Label(label=smart_home, scores={smart_home=0.98, …})
 *
 * @param threshold Of any number of labels, the probability from which on a text has one.
 * @throws InputError The model has another head, or the threshold is not in [0, 1].
 */
class SequenceClassification(
    private val model: Model,
    private val threshold: Float = 0.5f,
) {
    private val config = model.config
    private val labels = config.labels

    init {
        model.checkHead("SqueezeBertForSequenceClassification")
        if (threshold !in 0f..1f) {
            throw InputError("`threshold` must be in [0, 1]. Received: threshold=$threshold")
        }
        if (config.problemType == "regression" && labels.size != 1) {
            throw InputError(
                "A regression of texts here has one number each, so one label. " +
                    "Received: ${labels.size} labels",
            )
        }
    }

    /** What the model says of a text, or of a pair; one that is too long is cut. */
    fun answer(
        text: String,
        textPair: String? = null,
    ): TextAnswer = decode(model.run(listOf(encode(text, textPair))))

    /** The row that the model takes. */
    fun encode(
        text: String,
        textPair: String? = null,
    ): Encoding = model.tokenizer.encode(text, textPair, model.maxLength)

    /** What the outputs for the row say; `probabilities` are taken as they are. */
    fun decode(outputs: Outputs): TextAnswer =
        when (config.problemType) {
            "regression" -> TextAnswer.Value(outputs.values("logits", 1)[0])
            "multi_label_classification" -> severalLabels(probabilities(outputs, ::logistic))
            else -> oneLabel(probabilities(outputs, ::softmax))
        }

    private fun probabilities(
        outputs: Outputs,
        function: (FloatArray) -> FloatArray,
    ): FloatArray {
        val isDone = "probabilities" in outputs
        val values = outputs.values(if (isDone) "probabilities" else "logits", labels.size)
        return if (isDone) values else function(values.copyOf(labels.size))
    }

    private fun oneLabel(scores: FloatArray): TextAnswer {
        val order = labels.indices.sortedByDescending { scores[it] }
        return TextAnswer.Label(labels[order[0]], order.associate { labels[it] to scores[it] })
    }

    private fun severalLabels(scores: FloatArray): TextAnswer =
        TextAnswer.Labels(
            labels.filterIndexed { i, _ -> scores[i] >= threshold },
            labels.indices.associate { labels[it] to scores[it] },
        )
}

private fun logistic(logits: FloatArray) =
    FloatArray(logits.size) { (1 / (1 + exp(-logits[it].toDouble()))).toFloat() }

private fun softmax(logits: FloatArray) = softmax(logits, 0, logits.size)
