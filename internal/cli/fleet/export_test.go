package fleet

import "time"

// AnswerIn shortens the wait for worker processes.
func AnswerIn(d time.Duration) { answerIn = d }
