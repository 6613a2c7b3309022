package python

import (
	"math"
	"math/bits"
)

// twister is the MT19937 generator of both random.Random and NumPy's RandomState. It counts
// its 32-bit outputs, so that its seed and this count determine its state.
type twister struct {
	state [624]uint32
	next  int
	words uint64
}

// seedOne is init_genrand.
func (t *twister) seedOne(seed uint32) {
	t.state[0] = seed
	for i := 1; i < len(t.state); i++ {
		t.state[i] = 1812433253*(t.state[i-1]^t.state[i-1]>>30) + uint32(i)
	}
	t.next, t.words = len(t.state), 0
}

// seedMany is init_by_array.
func (t *twister) seedMany(key []uint32) {
	t.seedOne(19650218)
	s, n := &t.state, len(t.state)
	i, j := 1, 0
	wrap := func() {
		i++
		if i >= n {
			s[0], i = s[n-1], 1
		}
	}
	for range max(n, len(key)) {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1664525) + key[j] + uint32(j)
		wrap()
		j = (j + 1) % len(key)
	}
	for range n - 1 {
		s[i] = (s[i] ^ (s[i-1]^s[i-1]>>30)*1566083941) - uint32(i)
		wrap()
	}
	s[0] = 1 << 31
}

// word returns the next 32 bits.
func (t *twister) word() uint32 {
	if t.next >= len(t.state) {
		t.refill()
	}
	y := t.state[t.next]
	t.next++
	t.words++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (t *twister) refill() {
	const n, m = 624, 397
	for i := range n {
		y := t.state[i]&(1<<31) | t.state[(i+1)%n]&(1<<31-1)
		t.state[i] = t.state[(i+m)%n] ^ y>>1 ^ y&1*0x9908b0df
	}
	t.next = 0
}

// float returns the next number in [0, 1), made from two words.
func (t *twister) float() float64 {
	a, b := t.word()>>5, t.word()>>6
	return (float64(a)*(1<<26) + float64(b)) / (1 << 53)
}

// Random is CPython's random.Random. Make it with NewRandom.
type Random struct{ t twister }

// NewRandom is random.Random(seed).
func NewRandom(seed int64) *Random {
	size := uint64(seed)
	if seed < 0 {
		size = -size
	}
	key := []uint32{uint32(size)}
	if high := uint32(size >> 32); high != 0 {
		key = append(key, high)
	}
	r := &Random{}
	r.t.seedMany(key)
	return r
}

// Words is the number of 32-bit words drawn. The seed and this number determine the state.
func (r *Random) Words() uint64 { return r.t.words }

// Skip draws n words and discards them.
func (r *Random) Skip(n uint64) {
	for range n {
		r.t.word()
	}
}

// Float is random().
func (r *Random) Float() float64 { return r.t.float() }

// below is _randbelow(n), for n of at most 32 bits.
func (r *Random) below(n int) int {
	k := bits.Len(uint(n))
	for {
		if v := int(r.t.word() >> (32 - k)); v < n {
			return v
		}
	}
}

// Int is randint(low, high), both included; high-low must be below 2^31.
func (r *Random) Int(low, high int) int { return low + r.below(high-low+1) }

// Choice is choice(range(n)).
func (r *Random) Choice(n int) int { return r.below(n) }

// Weighted is choices(range(len(weights)), weights): one number, drawn by its weight. If all
// weights are 0, which is an error in Python, they are treated as equal.
func (r *Random) Weighted(weights []float64) int {
	total := 0.0
	for _, w := range weights {
		total += w
	}
	drawn, sum := r.Float(), 0.0
	if total <= 0 {
		return int(drawn * float64(len(weights)))
	}
	for i, w := range weights[:len(weights)-1] {
		if sum += w; drawn*total < sum {
			return i
		}
	}
	return len(weights) - 1
}

// Shuffle is shuffle(x) for a sequence of length n.
func (r *Random) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i >= 1; i-- {
		swap(i, r.below(i+1))
	}
}

// Sample is sample(range(n), k): k different numbers below n, in the order drawn.
// k must be at most n.
func (r *Random) Sample(n, k int) []int {
	limit := 21.0 // up to this n, Python uses a list, which is smaller than a set
	if k > 5 {
		limit += math.Pow(4, math.Ceil(math.Log(float64(3*k))/math.Log(4)))
	}
	picked := make([]int, k)
	if float64(n) <= limit {
		pool := make([]int, n)
		for i := range pool {
			pool[i] = i
		}
		for i := range picked {
			j := r.below(n - i)
			picked[i], pool[j] = pool[j], pool[n-i-1]
		}
		return picked
	}
	seen := make(map[int]bool, k)
	for i := range picked {
		j := r.below(n)
		for seen[j] {
			j = r.below(n)
		}
		seen[j], picked[i] = true, j
	}
	return picked
}

// RandomState is NumPy's legacy generator, for uniform numbers only. Make it with
// NewRandomState.
type RandomState struct{ t twister }

// NewRandomState is numpy.random.RandomState(seed).
func NewRandomState(seed uint32) *RandomState {
	r := &RandomState{}
	r.t.seedOne(seed)
	return r
}

// Drawn is the number of draws. The seed and this number determine the state.
func (r *RandomState) Drawn() uint64 { return r.t.words / 2 }

// Skip draws n numbers and discards them.
func (r *RandomState) Skip(n uint64) {
	for range n {
		r.t.float()
	}
}

// Float is random_sample().
func (r *RandomState) Float() float64 { return r.t.float() }

// Floats is random_sample(n).
func (r *RandomState) Floats(n int) []float64 {
	numbers := make([]float64, n)
	for i := range numbers {
		numbers[i] = r.Float()
	}
	return numbers
}
