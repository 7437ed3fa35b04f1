// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// scope says what a name is unique in.
type scope int

const (
	global scope = iota
	inProject
	inCluster
)

// noun is one kind of thing that verbs are for.
type noun struct {
	name, plural string
	short        []string
	// kind of the documents that "canopy apply" takes; empty: it takes none.
	kind  string
	scope scope
	// path is the collection's in the API, if it is not the plural.
	path string
	// everywhere says that there is one list of all that the person may see, too.
	everywhere bool
	readOnly   bool
	// whole lists come in one piece, and what is in them is nowhere else to be read.
	whole bool
	// offered is for what a provider has to choose from, which the API has in one answer, all sorts together.
	offered bool
	columns []output.Column
	row     func(*unstructured.Unstructured) ([]string, error)
}

func (n *noun) table() output.Table {
	return output.Table{Noun: n.name, Columns: n.columns, Row: n.row}
}

func (n *noun) segment() string {
	if n.path != "" {
		return n.path
	}
	return n.plural
}

// collection is the path of the list of the things in a place.
func (n *noun) collection(project, cluster string) string {
	switch n.scope {
	case inProject:
		if project == "" {
			return api.Path(n.segment())
		}
		return api.Path("projects", project, n.segment())
	case inCluster:
		return api.Path("projects", project, "clusters", cluster, n.segment())
	}
	return api.Path(n.segment())
}

// findNoun returns what a person calls name, by any of its names.
func findNoun(name string) (*noun, error) {
	name = strings.ToLower(name)
	for i := range nouns {
		n := &nouns[i]
		if name == n.name || name == n.plural || slices.Contains(n.short, name) {
			return n, nil
		}
	}
	return nil, output.Usage("there is no kind of thing called %q; there are %s", name, strings.Join(nounNames(func(*noun) bool { return true }), ", "))
}

// nounOf returns the noun of a document's kind.
func nounOf(kind string) (*noun, error) {
	i := slices.IndexFunc(nouns, func(n noun) bool { return n.kind == kind && n.kind != "" })
	if i < 0 {
		var kinds []string
		for _, n := range nouns {
			if n.kind != "" {
				kinds = append(kinds, n.kind)
			}
		}
		return nil, output.Usage("documents of the kind %q cannot be applied; there are %s", kind, strings.Join(kinds, ", "))
	}
	return &nouns[i], nil
}

// nounNames returns the plurals of the nouns that are wanted.
func nounNames(wanted func(*noun) bool) []string {
	var names []string
	for i := range nouns {
		if wanted(&nouns[i]) {
			names = append(names, nouns[i].plural)
		}
	}
	return names
}

// reference is one thing that a person named, or all of a kind where name is empty.
type reference struct {
	noun *noun
	name string
}

func (r reference) String() string { return r.noun.name + "/" + r.name }

// parseReferences reads "clusters", "cluster demo other", "cluster/demo nodepool/demo-workers" and "clusters,nodepools".
func parseReferences(args []string) ([]reference, error) {
	if len(args) == 0 {
		return nil, output.Usage("say what: %s", strings.Join(nounNames(func(*noun) bool { return true }), ", "))
	}
	if strings.Contains(args[0], "/") {
		var references []reference
		for _, arg := range args {
			kind, name, ok := strings.Cut(arg, "/")
			if !ok || name == "" {
				return nil, output.Usage("%q is not a kind and a name, such as cluster/demo", arg)
			}
			n, err := findNoun(kind)
			if err != nil {
				return nil, err
			}
			references = append(references, reference{n, name})
		}
		return references, nil
	}
	var references []reference
	for kind := range strings.SplitSeq(args[0], ",") {
		n, err := findNoun(kind)
		if err != nil {
			return nil, err
		}
		if len(args) == 1 {
			references = append(references, reference{noun: n})
		}
		for _, name := range args[1:] {
			references = append(references, reference{n, name})
		}
	}
	return references, nil
}

// parseReference reads a single name, of the noun that is meant unless another is said.
func parseReference(arg, usual string) (reference, error) {
	if !strings.Contains(arg, "/") {
		arg = usual + "/" + arg
	}
	references, err := parseReferences([]string{arg})
	if err != nil {
		return reference{}, err
	}
	return references[0], nil
}
