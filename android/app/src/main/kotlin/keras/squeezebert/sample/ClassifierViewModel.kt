package keras.squeezebert.sample

import android.app.Application
import androidx.lifecycle.AndroidViewModel
import androidx.lifecycle.viewModelScope
import keras.squeezebert.SequenceClassification
import keras.squeezebert.TextAnswer
import keras.squeezebert.litert.SqueezeBertModel
import keras.squeezebert.litert.map
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharingStarted.Companion.WhileSubscribed
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.catch
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOn
import kotlinx.coroutines.flow.stateIn

/** What the screen shows. */
sealed interface ScreenState {
    data object Loading : ScreenState

    /** The model cannot be used, and why. */
    data class Failed(
        val message: String,
    ) : ScreenState

    /** The scores of the labels, the best first, and how long they took. */
    data class Answered(
        val scores: Map<String, Float>,
        val milliseconds: Double,
    ) : ScreenState
}

/** Opens the model, and asks it about each text, away from the main thread. */
class ClassifierViewModel(
    application: Application,
) : AndroidViewModel(application) {
    // It keeps the newest text only, so that whoever types fast waits for one answer, not for all.
    private val texts = MutableStateFlow("")

    /** It is open as long as somebody looks, and some seconds more, as while the screen turns. */
    val state: StateFlow<ScreenState> =
        flow {
            SqueezeBertModel.open(files()).use { model ->
                val head = SequenceClassification(model)
                texts.collect { emit(answer(head, it)) }
            }
        }.catch { emit(ScreenState.Failed(it.message ?: it.toString())) }
            .flowOn(Dispatchers.Default)
            .stateIn(viewModelScope, WhileSubscribed(STOP_MILLIS), ScreenState.Loading)

    fun classify(text: String) {
        texts.value = text
    }

    /** All models among the assets; they must be of one model, for several lengths. */
    private fun files() =
        getApplication<Application>().assets.let { assets ->
            assets
                .list("")
                .orEmpty()
                .filter { it.endsWith(".tflite") }
                .map(assets::map)
        }

    private fun answer(
        head: SequenceClassification,
        text: String,
    ): ScreenState {
        val start = System.nanoTime()
        val answer = head.answer(text)
        val milliseconds = (System.nanoTime() - start) / 1e6
        return when (answer) {
            is TextAnswer.Label -> ScreenState.Answered(answer.scores, milliseconds)
            is TextAnswer.Labels -> ScreenState.Answered(answer.scores, milliseconds)
            is TextAnswer.Value -> ScreenState.Failed("This model gives numbers: ${answer.value}")
        }
    }

    private companion object {
        const val STOP_MILLIS = 5_000L
    }
}
