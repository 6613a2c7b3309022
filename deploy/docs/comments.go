package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

const module = "github.com/cogniverse/cogflow/"

// comments finds the comments of types, fields and constants in the source.
type comments struct {
	root     string
	packages map[string][]*ast.File // by folder
}

func newComments(root string) *comments {
	return &comments{root: root, packages: map[string][]*ast.File{}}
}

func (c *comments) files(dir string) ([]*ast.File, error) {
	if files, ok := c.packages[dir]; ok {
		return files, nil
	}
	names, err := filepath.Glob(filepath.Join(c.root, dir, "*.go"))
	if err != nil {
		return nil, err
	}
	files := []*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	c.packages[dir] = files
	return files, nil
}

// typeSpec finds the declaration of a named type of this module, with its comment.
func (c *comments) typeSpec(t reflect.Type) (*ast.TypeSpec, string, error) {
	files, err := c.files(strings.TrimPrefix(t.PkgPath(), module))
	if err != nil {
		return nil, "", err
	}
	for _, f := range files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				if s := s.(*ast.TypeSpec); s.Name.Name == t.Name() {
					doc := s.Doc
					if doc == nil {
						doc = g.Doc
					}
					return s, oneLine(doc.Text()), nil
				}
			}
		}
	}
	return nil, "", fmt.Errorf("declaration of %s not found", t)
}

// field returns the comment of a field: its tag, the comment on its line or the one
// above it. Fields that share a line of source share its comment.
func (c *comments) field(owner reflect.Type, f reflect.StructField) (string, error) {
	if text := f.Tag.Get("jsonschema"); text != "" {
		return text, nil
	}
	if owner.Name() == "" {
		return "", nil
	}
	spec, _, err := c.typeSpec(owner)
	if err != nil {
		return "", err
	}
	list, ok := spec.Type.(*ast.StructType)
	if !ok {
		return "", nil
	}
	for _, one := range list.Fields.List {
		for _, name := range one.Names {
			if name.Name == f.Name {
				if line := oneLine(one.Comment.Text()); line != "" {
					return line, nil
				}
				return oneLine(one.Doc.Text()), nil
			}
		}
	}
	return "", nil
}

// constant is one of a group of constants.
type constant struct{ name, value, text string }

// constants lists the string and number constants of a folder whose names have a prefix.
func (c *comments) constants(dir, prefix string) (all []constant, err error) {
	files, err := c.files(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				s := s.(*ast.ValueSpec)
				for i, name := range s.Names {
					if !strings.HasPrefix(name.Name, prefix) || i >= len(s.Values) {
						continue
					}
					if v, ok := s.Values[i].(*ast.BasicLit); ok {
						all = append(all, constant{name.Name, strings.Trim(v.Value, `"`), oneLine(s.Comment.Text() + s.Doc.Text())})
					}
				}
			}
		}
	}
	return all, nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
