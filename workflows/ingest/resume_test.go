package ingest

import (
	"reflect"
	"testing"

	"github.com/cogniverse/cogflow/workflows/flowtest"
)

func TestFormerBuildsReadIngest(t *testing.T) {
	t.Parallel()
	flowtest.FormerBuildsRead(t, "library", reflect.TypeFor[libraryContinuation]())
	flowtest.FormerBuildsRead(t, "video", reflect.TypeFor[videoContinuation]())
	flowtest.FormerBuildsRead(t, "child", reflect.TypeFor[videoOfLibrary]())
}
