package keras.squeezebert

import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue

/** Asserts that a task is refused with a message in which a pattern is found. */
fun assertRefused(
    message: String,
    task: () -> Unit,
) {
    val error = assertThrows(InputError::class.java) { task() }
    assertTrue(Regex(message, RegexOption.DOT_MATCHES_ALL).containsMatchIn(error.message!!)) {
        error.message
    }
}
