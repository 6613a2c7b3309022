package optimize

import (
	"reflect"
	"testing"

	"github.com/cogniverse/cogflow/workflows/flowtest"
)

func TestFormerBuildsReadOptimize(t *testing.T) {
	t.Parallel()
	flowtest.FormerBuildsRead(t, "optimize", reflect.TypeFor[optimizeContinuation]())
}
