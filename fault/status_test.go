package fault_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// TestStatusClass: every status has a class, and only what can never be done is
// given up at once.
func TestStatusClass(t *testing.T) {
	t.Parallel()
	table := map[fault.Class][]int{
		fault.Auth:     {401, 402, 403, 407, 495, 496, 498},
		fault.Overload: {420, 429, 430, 503, 509, 529},
		fault.Capacity: {507},
		fault.Input: {
			400, 404, 405, 406, 410, 411, 412, 413, 414, 415, 416, 417, 418, 422, 426, 428, 431, 451, 494, 497, 501, 505, 506, 510,
			100, 101, 204, 300, 301, 302, 303, 304, 307, 308,
		},
		fault.Transport: {
			408, 409, 419, 421, 423, 424, 425, 440, 444, 449, 460, 463, 499, 500, 502, 504, 508, 511,
			520, 521, 522, 523, 524, 525, 526, 527, 528, 530, 561, 598, 599, 600, 999,
		},
	}
	for class, statuses := range table {
		for _, status := range statuses {
			require.Equal(t, class, fault.StatusClass(status), status)
		}
	}
}
