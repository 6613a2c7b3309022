package pools

// Answer is the type of the JSON output.
type Answer = answer
