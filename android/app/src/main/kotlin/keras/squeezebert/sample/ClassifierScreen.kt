package keras.squeezebert.sample

import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.consumeWindowInsets
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.imePadding
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.lazy.LazyColumn
import androidx.compose.foundation.lazy.items
import androidx.compose.foundation.text.input.rememberTextFieldState
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedTextField
import androidx.compose.material3.Scaffold
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.LaunchedEffect
import androidx.compose.runtime.snapshotFlow
import androidx.compose.ui.Modifier
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.tooling.preview.Preview
import androidx.compose.ui.unit.dp

/** How many labels are shown. */
private const val MOST_LABELS = 8

/** A field for a text, and under it the likeliest labels with their scores as bars. */
@Composable
fun ClassifierScreen(
    state: ScreenState,
    onText: (String) -> Unit,
    modifier: Modifier = Modifier,
) {
    val field = rememberTextFieldState()
    LaunchedEffect(field) {
        snapshotFlow { field.text.toString() }.collect { onText(it) }
    }
    Scaffold(modifier) { padding ->
        Column(
            Modifier
                .fillMaxSize()
                .padding(padding)
                .consumeWindowInsets(padding)
                .imePadding()
                .padding(16.dp),
            verticalArrangement = Arrangement.spacedBy(16.dp),
        ) {
            OutlinedTextField(
                state = field,
                modifier = Modifier.fillMaxWidth(),
                label = { Text(stringResource(R.string.text)) },
            )
            when (state) {
                ScreenState.Loading -> {
                    Text(stringResource(R.string.loading))
                }

                is ScreenState.Failed -> {
                    Text(state.message, color = MaterialTheme.colorScheme.error)
                }

                is ScreenState.Answered -> {
                    Answer(state)
                }
            }
        }
    }
}

@Composable
private fun Answer(answer: ScreenState.Answered) {
    val scores = answer.scores.entries.take(MOST_LABELS)
    LazyColumn(verticalArrangement = Arrangement.spacedBy(12.dp)) {
        items(scores) { (label, score) ->
            // TalkBack reads a label and its score as one.
            Column(Modifier.semantics(mergeDescendants = true) {}) {
                Row {
                    Text(label, Modifier.weight(1f))
                    Text(stringResource(R.string.percent, 100 * score))
                }
                LinearProgressIndicator(progress = { score }, Modifier.fillMaxWidth())
            }
        }
        item {
            Text(
                stringResource(R.string.milliseconds, answer.milliseconds),
                Modifier.semantics { liveRegion = LiveRegionMode.Polite },
                style = MaterialTheme.typography.labelMedium,
            )
        }
    }
}

@Preview
@Composable
private fun AnswerPreview() {
    MaterialTheme {
        ClassifierScreen(
            ScreenState.Answered(mapOf("smart_home" to 0.98f, "alarm" to 0.01f), 3.2),
            onText = {},
        )
    }
}
