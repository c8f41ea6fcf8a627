package keras.squeezebert

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.float
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import kotlin.math.abs

/** Each head gives a model the rows that Python gives it, and says what Python says. */
class GoldenHeadsTest {
    @ParameterizedTest
    @ValueSource(
        strings = [
            "SqueezeBertForSequenceClassification",
            "SqueezeBertForTokenClassification",
            "SqueezeBertForQuestionAnswering",
            "SqueezeBertForMultipleChoice",
            "SqueezeBertForMaskedLM",
        ],
    )
    fun `every case of a head`(head: String) {
        val cases = lines.drop(1).filter { it.text("head") == head }
        assertEquals(200, cases.size)
        for (case in cases) {
            val outputs =
                case.list("outputs").map {
                    it.jsonObject.mapValues { (_, values) ->
                        floats(values)
                    }
                }
            val model =
                StandIn(
                    ModelConfig.parse(case.getValue("config").toString()),
                    tokenizers[case.int("tokenizer")],
                    case.int("max_length"),
                    outputs,
                )
            val received = answer(head, model, case)
            val rows = model.runs.flatten()
            assertEquals(outputs.size, model.runs.size)
            assertEquals(
                case.list("rows").map {
                    it.jsonObject.list("input_ids").map { id ->
                        id.jsonPrimitive.content.toInt()
                    }
                },
                rows.map { it.inputIds.toList() },
            ) { "$case" }
            assertEquals(
                case.list("rows").map {
                    it.jsonObject.list("token_type_ids").map { id ->
                        id.jsonPrimitive.content.toInt()
                    }
                },
                rows.map { it.tokenTypeIds.toList() },
            ) { "$case" }
            assertTrue(rows.all { row -> row.attentionMask.all { it == 1 } })
            assertClose(case.getValue("answer"), received, "$case")
        }
    }

    /** In the words of the file, but for offsets, which count UTF-16 code units. */
    private fun answer(
        head: String,
        model: Model,
        case: JsonObject,
    ): Any {
        val options = case.getValue("options").jsonObject
        return when (head) {
            "SqueezeBertForSequenceClassification" -> {
                val threshold = options.getValue("threshold").jsonPrimitive.float
                val answer =
                    SequenceClassification(
                        model,
                        threshold,
                    ).answer(case.text("text")!!, case.text("text_pair"))
                when (answer) {
                    is TextAnswer.Label -> {
                        mapOf("label" to answer.label, "scores" to answer.scores)
                    }

                    is TextAnswer.Labels -> {
                        mapOf(
                            "labels" to answer.labels,
                            "scores" to answer.scores,
                        )
                    }

                    is TextAnswer.Value -> {
                        mapOf("value" to answer.value)
                    }
                }
            }

            "SqueezeBertForTokenClassification" -> {
                tags(TokenClassification(model), case.text("text")!!)
            }

            "SqueezeBertForQuestionAnswering" -> {
                val task =
                    QuestionAnswering(
                        model,
                        docStride = options.int("doc_stride"),
                        maxQuestionLength = options.int("max_question_length"),
                        maxAnswerLength = options.int("max_answer_length"),
                        nBest = options.int("n_best"),
                        noAnswerThreshold =
                            options["no_answer_threshold"]
                                .takeUnless { it is JsonNull }
                                ?.jsonPrimitive
                                ?.float,
                    )
                passages(task, case.text("question")!!, case.text("context")!!)
            }

            "SqueezeBertForMultipleChoice" -> {
                val choices = case.list("choices").map { it.jsonPrimitive.content }
                val choice = MultipleChoice(model).choose(case.text("context")!!, choices)
                mapOf("choice" to choice.choice, "scores" to choice.scores)
            }

            else -> {
                val gaps = FillMask(model, options.int("top")).fill(case.text("text")!!)
                mapOf(
                    "gaps" to
                        gaps.map { gap ->
                            gap.map { mapOf("token" to it.token, "score" to it.score) }
                        },
                )
            }
        }
    }

    private fun tags(
        task: TokenClassification,
        text: String,
    ): Any {
        val words = task.tags(text)
        val characters = charactersBefore(text)
        val isOfEntities = words.none { it.tag in listOf("NOUN", "VERB", "X") }
        for (word in words) assertEquals(text.substring(word.span.start, word.span.end), word.text)
        return mapOf(
            "tags" to words.map { it.tag },
            "scores" to words.map { it.score },
            "spans" to words.map { listOf(characters[it.span.start], characters[it.span.end]) },
        ) +
            if (!isOfEntities) {
                emptyMap()
            } else {
                mapOf(
                    "entities" to
                        task.entities(text, words).map {
                            mapOf(
                                "type" to it.type,
                                "text" to it.text,
                                "start" to characters[it.span.start],
                                "end" to characters[it.span.end],
                                "score" to it.score,
                            )
                        },
                )
            }
    }

    private fun passages(
        task: QuestionAnswering,
        question: String,
        context: String,
    ): Any {
        val answer = task.answer(question, context)
        val characters = charactersBefore(context)
        for (passage in answer.best) {
            assertEquals(context.substring(passage.span.start, passage.span.end), passage.text)
        }
        return mapOf(
            "text" to answer.passage?.text.orEmpty(),
            "start" to answer.passage?.let { characters[it.span.start] },
            "score" to answer.score,
            "no_answer_score" to answer.noAnswerScore,
            "n_best" to
                answer.best.map {
                    mapOf(
                        "text" to it.text,
                        "start" to characters[it.span.start],
                        "score" to it.score,
                    )
                },
        )
    }

    private fun assertClose(
        expected: JsonElement,
        received: Any?,
        case: String,
    ) {
        when (received) {
            is Map<*, *> -> {
                // Their order counts, too: the likeliest label is the first.
                assertEquals(expected.jsonObject.keys.toList(), received.keys.toList()) { case }
                for ((key, value) in expected.jsonObject) assertClose(value, received[key], case)
            }

            is List<*> -> {
                assertEquals(expected.jsonArray.size, received.size) { case }
                expected.jsonArray.zip(received) { one, other -> assertClose(one, other, case) }
            }

            is Float -> {
                val number = expected.jsonPrimitive.float
                assertTrue(
                    abs(number - received) <= 1e-5f * maxOf(1f, abs(number)),
                ) { "$received in $case" }
            }

            null -> {
                assertEquals(JsonNull, expected) { case }
            }

            else -> {
                assertFalse(expected is JsonNull) { case }
                assertEquals(expected.jsonPrimitive.content, received.toString()) { case }
            }
        }
    }

    /** How many characters stand before each code unit. */
    private fun charactersBefore(text: String) = (0..text.length).map { text.codePointCount(0, it) }

    private fun floats(values: JsonElement) =
        values.jsonArray
            .map {
                it.jsonPrimitive.float
            }.toFloatArray()

    private fun JsonObject.list(name: String): JsonArray = getValue(name).jsonArray

    private companion object {
        val lines = goldenFile("golden_heads.jsonl.gz").readLines().map(::parse)
        val tokenizers = tokenizersOf(lines.first())
    }
}
