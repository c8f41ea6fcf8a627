"""A training that something happens to, for the tests of what goes on afterwards."""

import keras


class StopAt(keras.callbacks.Callback):
    """Does something after a step, counted from the first of the training."""

    def __init__(self, step, action):
        super().__init__()
        self.step = step
        self.action = action

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.variables[0]) == self.step:
            self.action()
