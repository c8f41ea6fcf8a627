package keras.squeezebert

import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.intOrNull

/**
 * What answers are made with of a model's `config.json`.
 *
 * @property architecture The class of the model, `SqueezeBertForQuestionAnswering` and so on, which
 *   tells the head; null if the file does not.
 * @property labels The names of the labels in the order of their ids.
 * @property problemType Of sequence classification: `regression`, `single_label_classification` or
 *   `multi_label_classification`.
 * @property vocabSize How many tokens the model knows.
 * @property maxPositionEmbeddings Tokens of the longest row.
 */
data class ModelConfig(
    val architecture: String?,
    val labels: List<String>,
    val problemType: String,
    val vocabSize: Int,
    val maxPositionEmbeddings: Int,
) {
    companion object {
        /**
         * The config in the contents of a `config.json`; what it lacks has the defaults of
         * `SqueezeBertConfig`.
         *
         * @throws InputError It is not JSON, of another model, or a value does not fit.
         */
        fun parse(json: String): ModelConfig = modelConfig(jsonObject("config.json", json))
    }
}

private val PROBLEM_TYPES =
    listOf("regression", "single_label_classification", "multi_label_classification")

private fun modelConfig(config: JsonObject): ModelConfig {
    val modelType = config.text("model_type")
    if (modelType != "squeezebert") {
        throw InputError(
            "This .tflite is of another model: config.json in it must say " +
                "\"model_type\": \"squeezebert\". Received: model_type=$modelType",
        )
    }
    val labels = labels(config)
    val implied = if (labels.size == 1) "regression" else "single_label_classification"
    val problemType = config.text("problem_type") ?: implied
    if (problemType !in PROBLEM_TYPES) {
        throw InputError(
            "`problem_type` must be one of ${PROBLEM_TYPES.joinToString()}. Received: problem_type=$problemType",
        )
    }
    return ModelConfig(
        architecture =
            ((config["architectures"] as? List<*>)?.singleOrNull() as? JsonPrimitive)
                ?.contentOrNull,
        labels = labels,
        problemType = problemType,
        vocabSize = config.count("vocab_size", 30522),
        maxPositionEmbeddings = config.count("max_position_embeddings", 512),
    )
}

private fun labels(config: JsonObject): List<String> {
    val table = config["id2label"] ?: return listOf("LABEL_0", "LABEL_1")
    val names =
        (table as? JsonObject)?.mapValues { (_, name) ->
            (name as? JsonPrimitive)?.contentOrNull
        }
    val labels = names?.indices()?.mapNotNull { names[it] }
    if (labels.isNullOrEmpty() || labels.size != names.size) {
        throw InputError(
            "`id2label` must map the ids 0, 1, 2, … without a gap to names. " +
                "Received: id2label=${table.toString().take(200)}",
        )
    }
    return labels
}

private fun Map<String, *>.indices() = (0 until size).map { it.toString() }

private fun JsonObject.text(name: String): String? = (this[name] as? JsonPrimitive)?.contentOrNull

private fun JsonObject.count(
    name: String,
    default: Int,
): Int {
    val value = this[name] ?: return default
    return (value as? JsonPrimitive)?.takeUnless { it.isString }?.intOrNull?.takeIf { it > 0 }
        ?: throw InputError("`$name` must be a positive integer. Received: $name=$value")
}
