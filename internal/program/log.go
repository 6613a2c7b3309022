// Package program has what cogflow-worker and cogflow-gateway share as programs: their log and the
// redactor of their secrets. It knows no pool and no route.
package program

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/cogniverse/cogflow/safetext"
)

// NewLogger makes a logger that writes to all outs: plain lines to a terminal, and JSON to
// other outputs.
func NewLogger(level string, outs ...io.Writer) (*zap.Logger, error) {
	parsed, err := zapcore.ParseLevel(level)
	if err == nil && level == "" {
		err = errors.New("--log-level is empty; must be debug, info, warn or error")
	}
	if err != nil {
		return nil, err
	}
	var cores []zapcore.Core
	for _, out := range outs {
		cores = append(cores, zapcore.NewCore(NewEncoder(onTerminal(out)), zapcore.Lock(zapcore.AddSync(out)), parsed))
	}
	return zap.New(zapcore.NewTee(cores...)), nil
}

// NewEncoder makes lines of a log: plain ones, or JSON.
func NewEncoder(plain bool) zapcore.Encoder {
	c := zap.NewProductionEncoderConfig()
	if !plain {
		c.EncodeTime = zapcore.ISO8601TimeEncoder
		return zapcore.NewJSONEncoder(c)
	}
	c.EncodeTime, c.ConsoleSeparator = zapcore.TimeEncoderOfLayout(time.TimeOnly), "  "
	return zapcore.NewConsoleEncoder(c)
}

func onTerminal(out io.Writer) bool {
	if l, ok := out.(safetext.Log); ok {
		out = l.To
	}
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// noStacks is above every level: the SDK's stack traces do not explain a failed activity, and
// a panic is logged with its own stack trace.
const noStacks = slog.Level(math.MaxInt)

// Structured is the logger of the SDK and the adapters.
func Structured(logger *zap.Logger) *slog.Logger {
	return slog.New(zapslog.NewHandler(logger.Core(), zapslog.AddStacktraceAt(noStacks)))
}
