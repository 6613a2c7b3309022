package quantized

import "math"

// floor keeps the n largest of many numbers, the smallest of them first: a binary heap.
type floor struct {
	n    int
	heap []float32
}

func newFloor(n int) *floor { return &floor{n: n, heap: make([]float32, 0, n)} }

// value is the n-th largest number so far, or minus infinity.
func (f *floor) value() float32 {
	if len(f.heap) < f.n || f.n == 0 {
		return float32(math.Inf(-1))
	}
	return f.heap[0]
}

func (f *floor) add(v float32) {
	switch {
	case len(f.heap) < f.n:
		f.heap = append(f.heap, v)
		for i := len(f.heap) - 1; i > 0 && f.heap[i] < f.heap[(i-1)/2]; i = (i - 1) / 2 {
			f.heap[i], f.heap[(i-1)/2] = f.heap[(i-1)/2], f.heap[i]
		}
	case f.n > 0 && v > f.heap[0]:
		f.heap[0] = v
		f.sink()
	}
}

func (f *floor) sink() {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(f.heap); child++ {
			if f.heap[child] < f.heap[least] {
				least = child
			}
		}
		if least == i {
			return
		}
		f.heap[i], f.heap[least] = f.heap[least], f.heap[i]
		i = least
	}
}
