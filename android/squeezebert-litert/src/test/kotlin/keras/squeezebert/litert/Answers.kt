package keras.squeezebert.litert

import keras.squeezebert.FillMask
import keras.squeezebert.Model
import keras.squeezebert.MultipleChoice
import keras.squeezebert.QuestionAnswering
import keras.squeezebert.SequenceClassification
import keras.squeezebert.TextAnswer
import keras.squeezebert.TokenClassification
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.float
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Tensor
import java.io.File
import java.nio.ByteBuffer
import java.util.Base64

/**
 * Answers questions with the files that the arguments name. The interpreter is at the other end of
 * standard input and output, as there is none for the JVM: tests/test_android.py has LiteRT there.
 *
 * Each line that is written is JSON with one key: `describe`, `run` or `answer`; each that is read
 * is what was asked for, or after an answer the next question.
 */
fun main(arguments: Array<String>) {
    var count = 0
    val model = SqueezeBertModel.openWith(arguments.map { File(it).map() }) { piped(count++).api }
    var question = ask("answer", JsonPrimitive("ready"))
    while (question != null) question = ask("answer", answer(model, question))
}

private fun ask(
    what: String,
    value: JsonElement,
): JsonObject? {
    println(JsonObject(mapOf(what to value)))
    return readLine()?.let { Json.parseToJsonElement(it).jsonObject }
}

/** The interpreter of one of the files. */
private fun piped(file: Int): FakeInterpreter {
    val description = ask("describe", JsonPrimitive(file))!!
    lateinit var interpreter: FakeInterpreter
    interpreter =
        FakeInterpreter(
            tensors(description.getValue("inputs")),
            tensors(description.getValue("outputs")),
            description.getValue("keys").jsonArray.map { it.jsonPrimitive.content },
        ) { written ->
            val inputs =
                interpreter.received.last().mapValues { (_, values) ->
                    JsonArray(values.map(::JsonPrimitive))
                }
            val outputs = ask("run", JsonObject(mapOf("file" to JsonPrimitive(file)) + inputs))!!
            for ((name, buffer) in written) buffer.put(bytes(outputs.getValue(name)))
        }
    return interpreter
}

private fun tensors(description: JsonElement) =
    description.jsonObject.mapValues { (_, tensor) ->
        val (type, shape, scale, zeroPoint) =
            listOf("type", "shape", "scale", "zero_point").map(tensor.jsonObject::getValue)
        FakeTensor(
            DataType.valueOf(type.jsonPrimitive.content),
            *shape.jsonArray.map { it.jsonPrimitive.int }.toIntArray(),
            quantization =
                Tensor.QuantizationParams(
                    scale.jsonPrimitive.float,
                    zeroPoint.jsonPrimitive.int,
                ),
        )
    }

private fun bytes(packed: JsonElement) =
    ByteBuffer.wrap(Base64.getDecoder().decode(packed.jsonPrimitive.content))

private fun answer(
    model: Model,
    question: JsonObject,
): JsonElement {
    fun text(name: String) = question.getValue(name).jsonPrimitive.content
    return when (model.config.architecture) {
        "SqueezeBertForSequenceClassification" -> {
            val answer = SequenceClassification(model).answer(text("text")) as TextAnswer.Label
            list(answer.scores.entries) { (label, score) -> row(label, score) }
        }

        "SqueezeBertForTokenClassification" -> {
            list(TokenClassification(model).tags(text("text"))) { row(it.tag, it.score) }
        }

        "SqueezeBertForQuestionAnswering" -> {
            val head = QuestionAnswering(model, docStride = 4, maxQuestionLength = 8)
            list(
                head.answer(text("question"), text("text")).best,
            ) { row(it.span.start, it.text, it.score) }
        }

        "SqueezeBertForMultipleChoice" -> {
            val choices = question.getValue("choices").jsonArray.map { it.jsonPrimitive.content }
            list(MultipleChoice(model).choose(text("text"), choices).scores) { row(it) }
        }

        else -> {
            list(FillMask(model).fill(text("text")).flatten()) { row(it.token, it.score) }
        }
    }
}

private fun <T> list(
    items: Iterable<T>,
    item: (T) -> JsonElement,
) = JsonArray(items.map(item))

private fun row(vararg values: Any) =
    JsonArray(values.map { if (it is Number) JsonPrimitive(it) else JsonPrimitive(it.toString()) })
