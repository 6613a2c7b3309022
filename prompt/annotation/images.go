package annotation

import "slices"

// HoldsImages reports whether values of the type may contain images.
func (t *Type) HoldsImages() bool {
	return t.Base() == Image || t.Items != nil && t.Items.HoldsImages() ||
		slices.ContainsFunc(t.Types, func(a *Type) bool { return a != nil && a.HoldsImages() }) ||
		slices.ContainsFunc(t.Fields, func(p Property) bool { return p.HoldsImages() })
}

// ReplaceImages returns a value of the type with each image replaced. Values that are not of the
// type are unchanged.
func (t *Type) ReplaceImages(v any, replace func(any) (any, error)) (any, error) {
	if !t.HoldsImages() || v == nil {
		return v, nil
	}
	switch x := v.(type) {
	case []any:
		if t.Base() == List {
			made := make([]any, len(x))
			for i, item := range x {
				var err error
				if made[i], err = t.Items.ReplaceImages(item, replace); err != nil {
					return nil, err
				}
			}
			return made, nil
		}
	case *Object:
		if t.Base() == Dict {
			return t.replaceMembers(x, replace)
		}
	}
	if t.Base() == Image {
		return replace(v)
	}
	for _, a := range t.alternatives() {
		if a.HoldsImages() {
			return a.ReplaceImages(v, replace)
		}
	}
	return v, nil
}

func (t *Type) replaceMembers(o *Object, replace func(any) (any, error)) (any, error) {
	made := o.Copy()
	for _, k := range o.Keys() {
		kind := t.Items
		if i := slices.IndexFunc(t.Fields, func(p Property) bool { return p.Name == k }); i >= 0 {
			kind = &t.Fields[i].Type
		}
		if kind == nil {
			continue
		}
		member, _ := o.Get(k)
		replaced, err := kind.ReplaceImages(member, replace)
		if err != nil {
			return nil, err
		}
		made.Set(k, replaced)
	}
	return made, nil
}
