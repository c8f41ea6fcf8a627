package keras.squeezebert

import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject

/** The object that a file of JSON holds; `name` is the file's, for the message. */
internal fun jsonObject(
    name: String,
    text: String,
): JsonObject {
    val value =
        try {
            Json.parseToJsonElement(text)
        } catch (error: SerializationException) {
            throw InputError("$name is not JSON: ${error.message?.lineSequence()?.first()}")
        } catch (_: StackOverflowError) {
            // The library reads what is nested by recursion.
            throw InputError("$name is not JSON of a model: it is nested too deeply")
        }
    return value as? JsonObject
        ?: throw InputError("$name must hold a JSON object. Received: ${value.toString().take(60)}")
}
