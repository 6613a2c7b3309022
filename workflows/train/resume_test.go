package train

import (
	"reflect"
	"testing"

	"github.com/cogniverse/cogflow/workflows/flowtest"
)

func TestFormerBuildsReadTrain(t *testing.T) {
	t.Parallel()
	flowtest.FormerBuildsRead(t, "train", reflect.TypeFor[trainContinuation]())
}
