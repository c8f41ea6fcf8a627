package keras.squeezebert

import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.io.BufferedReader
import java.io.File
import java.util.zip.GZIPInputStream

/** The repository; tests run in the folder of their module. */
val repository = File("../..")

val uncased: List<String> =
    File(
        repository,
        "keras_squeezebert/tokenizers/bert_uncased_vocab.txt",
    ).readText().trimEnd().split("\n")

/** The lines of a golden file of `tests/portable`, whose form its README.md tells. */
fun goldenFile(name: String): BufferedReader =
    GZIPInputStream(File(repository, "tests/portable/$name").inputStream()).bufferedReader()

fun parse(line: String): JsonObject = Json.parseToJsonElement(line).jsonObject

fun JsonObject.text(name: String): String? = this[name]?.jsonPrimitive?.content

fun JsonObject.int(name: String): Int = getValue(name).jsonPrimitive.int

fun JsonElement.ints(): List<Int> = jsonArray.map { it.jsonPrimitive.int }

/** What is expected of a text, or what has been received, in the words of the file. */
data class Tokens(
    val inputIds: List<Int>,
    val tokenTypeIds: List<Int>,
    val length: Int,
    val offsets: List<Int>,
)

/** The tokenizers that the first line of a file of cases names. */
fun tokenizersOf(header: JsonObject): List<SqueezeBertTokenizer> {
    val vocabularies =
        header.getValue("vocabularies").jsonObject.mapValues { (_, tokens) ->
            tokens.jsonArray.map { it.jsonPrimitive.content }
        }
    return header.getValue("tokenizers").jsonArray.map {
        val options = it.jsonObject.getValue("options").toString()
        SqueezeBertTokenizer(
            vocabularies[it.jsonObject.text("vocabulary")] ?: uncased,
            TokenizerOptions.parse(options),
        )
    }
}

/** What a tokenizer makes of a case; null if it refuses. */
fun answer(
    tokenizer: SqueezeBertTokenizer,
    case: JsonObject,
    edit: (String) -> String = { it },
): Tokens? {
    val encoding =
        try {
            tokenizer.encode(
                edit(case.text("text")!!),
                case.text("text_pair")?.let(edit),
                maxLength = case["max_length"]?.jsonPrimitive?.int,
                padToMaxLength = case.text("padding") == "max_length",
                truncation = case["truncation"]?.jsonPrimitive?.boolean ?: true,
            )
        } catch (_: InputError) {
            return null
        }
    return Tokens(
        encoding.inputIds.toList(),
        encoding.tokenTypeIds.toList(),
        encoding.attentionMask.lastIndexOf(1) + 1,
        encoding.offsets.toList(),
    )
}

/** What the file expects, with offsets in UTF-16 code units instead of characters. */
fun expectation(case: JsonObject): Tokens? {
    if ("error" in case) return null
    val types = case.getValue("token_type_ids").ints()
    val units = listOf(case.text("text")!!, case.text("text_pair").orEmpty()).map(::unitsBefore)
    val offsets =
        case.getValue("offsets").ints().mapIndexed {
            i,
            offset,
            ->
            units[types[i / 2]][offset]
        }
    return Tokens(case.getValue("input_ids").ints(), types, case.int("length"), offsets)
}

/** How many code units stand before each character of a text. */
fun unitsBefore(text: String): List<Int> {
    val units = mutableListOf(0)
    while (units.last() < text.length) {
        units += units.last() + Character.charCount(text.codePointAt(units.last()))
    }
    return units
}
