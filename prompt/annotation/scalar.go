package annotation

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/prompt/python"
)

func toInt(v any) (any, bool) {
	switch x := v.(type) {
	case bool:
		if x {
			return int64(1), true
		}
		return int64(0), true
	case int64, *big.Int:
		return x, true
	case float64:
		if x != math.Trunc(x) || math.IsInf(x, 0) {
			return nil, false
		}
		if math.Abs(x) < 1<<63 {
			return int64(x), true
		}
		i, _ := big.NewFloat(x).Int(nil)
		return i, true
	case string:
		return intOfText(x)
	}
	return nil, false
}

// intOfText reads an integer: spaces around it, a sign, underscores between digits and a
// fraction of zeros are allowed.
func intOfText(text string) (any, bool) {
	digits, ok := plainNumber(text)
	if !ok {
		return nil, false
	}
	if whole, fraction, dot := strings.Cut(digits, "."); dot {
		if strings.Trim(fraction, "0") != "" || fraction == "" {
			return nil, false
		}
		digits = whole
	}
	sign := strings.TrimPrefix(digits, "+")
	if unsigned := strings.TrimPrefix(sign, "-"); unsigned == "" || strings.Trim(unsigned, "0123456789") != "" {
		return nil, false
	}
	v, err := python.Number(sign)
	return v, err == nil
}

// plainNumber removes spaces around a number and underscores between its digits.
func plainNumber(text string) (string, bool) {
	text = python.Strip(text)
	if strings.HasPrefix(text, "_") || strings.HasSuffix(text, "_") || strings.Contains(text, "__") ||
		strings.Contains(text, "-_") || strings.Contains(text, "+_") || strings.Contains(text, "_.") || strings.Contains(text, "._") {
		return "", false
	}
	return strings.ReplaceAll(text, "_", ""), true
}

func toFloat(v any) (any, bool) {
	switch x := v.(type) {
	case bool:
		if x {
			return 1.0, true
		}
		return 0.0, true
	case int64:
		return float64(x), true
	case *big.Int:
		f, _ := new(big.Float).SetInt(x).Float64()
		return f, !math.IsInf(f, 0)
	case float64:
		return x, true
	case string:
		text, ok := plainNumber(x)
		if !ok || strings.ContainsAny(text, "xXpP") {
			return nil, false
		}
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil || math.IsInf(f, 0) && strings.ContainsAny(text, "0123456789")
	}
	return nil, false
}

func toBool(v any) (any, bool) {
	switch x := v.(type) {
	case bool:
		return x, true
	case int64, float64:
		if python.Equal(x, int64(0)) || python.Equal(x, int64(1)) {
			return python.Equal(x, int64(1)), true
		}
	case string:
		switch strings.ToLower(x) {
		case "0", "off", "f", "false", "n", "no":
			return false, true
		case "1", "on", "t", "true", "y", "yes":
			return true, true
		}
	}
	return nil, false
}
