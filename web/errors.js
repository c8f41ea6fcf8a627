/** A mistake that whoever uses the code can mend; the message says how. */
export class InputError extends Error {
  name = "InputError";
}
