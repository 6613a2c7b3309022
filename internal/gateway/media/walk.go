package media

import "bytes"

// The functions below walk over a document that was checked to be valid JSON. They pass over texts
// without copying them: most of a request with images is one text.

// members calls f for each member of an object; value has no white space around it.
func members(object []byte, f func(name string, value []byte) error) error {
	rest := space(object)
	if len(rest) == 0 || rest[0] != '{' {
		return errEnd
	}
	for rest = space(rest[1:]); len(rest) > 0 && rest[0] == '"'; {
		key, after, err := next(rest)
		if err != nil {
			return err
		}
		name, err := unquote(key)
		if err != nil {
			return err
		}
		if after = space(after); len(after) == 0 {
			return errEnd
		}
		value, after, err := next(space(after[1:])) // the colon
		if err != nil {
			return err
		}
		if err := f(name, value); err != nil {
			return err
		}
		if rest = space(after); len(rest) > 0 && rest[0] == ',' {
			rest = space(rest[1:])
		}
	}
	return nil
}

// items calls f for each item of a list. Anything else has none.
func items(list []byte, f func(value []byte) error) error {
	rest := space(list)
	if len(rest) == 0 || rest[0] != '[' {
		return nil
	}
	for rest = space(rest[1:]); len(rest) > 0 && rest[0] != ']'; {
		value, after, err := next(rest)
		if err != nil {
			return err
		}
		if err := f(value); err != nil {
			return err
		}
		if rest = space(after); len(rest) > 0 && rest[0] == ',' {
			rest = space(rest[1:])
		}
	}
	return nil
}

func space(p []byte) []byte { return bytes.TrimLeft(p, " \t\r\n") }

// next splits the first value off.
func next(p []byte) (value, rest []byte, err error) {
	if len(p) == 0 {
		return nil, nil, errEnd
	}
	at, depth := 0, 0
	for {
		switch {
		case at >= len(p):
			return nil, nil, errEnd
		case p[at] == '"':
			end, err := quoted(p[at:])
			if err != nil {
				return nil, nil, err
			}
			at += end
		case p[at] == '{', p[at] == '[':
			depth++
			at++
		case p[at] == '}', p[at] == ']':
			depth--
			at++
		case depth > 0:
			at++
		default: // a number or a word
			n := bytes.IndexAny(p[at:], ",]} \t\r\n")
			if n < 0 {
				n = len(p) - at
			}
			if at += n; n == 0 {
				return nil, nil, errEnd
			}
		}
		if depth == 0 {
			return p[:at], p[at:], nil
		}
	}
}

// quoted is the length of a text with its quotes.
func quoted(p []byte) (int, error) {
	for at := 1; ; {
		n := bytes.IndexByte(p[at:], '"')
		if n < 0 {
			return 0, errEnd
		}
		escapes := 0
		for i := at + n - 1; i > 0 && p[i] == '\\'; i-- {
			escapes++
		}
		if at += n + 1; escapes%2 == 0 {
			return at, nil
		}
	}
}
