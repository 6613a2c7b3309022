package format

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestClock(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "00:00.000", Clock(0))
	assert.Equal(t, "59:59.999", Clock(3_599_999))
	assert.Equal(t, "1:00:00.000", Clock(3_600_000))
}
