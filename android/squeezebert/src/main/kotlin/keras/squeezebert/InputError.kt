package keras.squeezebert

/** A mistake that whoever uses the code can mend; the message says how. */
class InputError(
    message: String,
) : IllegalArgumentException(message)
