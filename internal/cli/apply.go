// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"canopy.dev/canopy/api/v1alpha1"
	"canopy.dev/canopy/internal/cli/api"
	"canopy.dev/canopy/internal/cli/output"
)

// converter reads kinds out of objects.
var converter = runtime.DefaultUnstructuredConverter

// Ways of only trying.
const (
	dryRunClient = "client"
	dryRunServer = "server"
)

func addDryRun(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "dry-run", "", "change nothing: client only shows what would be sent, server has the platform check it")
	complete(cmd, "dry-run", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{dryRunClient, dryRunServer}, cobra.ShellCompDirectiveNoFileComp
	})
}

func checkDryRun(value string) error {
	if value != "" && value != dryRunClient && value != dryRunServer {
		return output.Usage("--dry-run is client or server, not %q", value)
	}
	return nil
}

// readDocuments reads the YAML documents of a file, or of in if it is called "-".
func readDocuments(in io.Reader, path string) ([]unstructured.Unstructured, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, &output.Error{Exit: output.ExitUsage, What: err.Error(), Err: err}
		}
		defer f.Close()
		in = f
	}
	var documents []unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(in, 4096)
	for {
		var u unstructured.Unstructured
		err := decoder.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, &output.Error{Exit: output.ExitUsage, What: "reading " + path, Why: err.Error(), Err: err}
		}
		if len(u.Object) == 0 { // only comments
			continue
		}
		if !u.IsList() {
			documents = append(documents, u)
			continue
		}
		list, err := u.ToList()
		if err != nil {
			return nil, output.Usage("reading %s: %v", path, err)
		}
		documents = append(documents, list.Items...)
	}
}

// locate says where a document belongs: in the project of its namespace, or else in the one that is meant.
func (s *session) locate(ctx context.Context, u *unstructured.Unstructured) (item, error) {
	if u.GetAPIVersion() != v1alpha1.GroupVersion.String() {
		return item{}, output.Usage("documents are of apiVersion %s, not %q", v1alpha1.GroupVersion, u.GetAPIVersion())
	}
	n, err := nounOf(u.GetKind())
	if err != nil {
		return item{}, err
	}
	i := item{reference: reference{n, u.GetName()}, object: u}
	if i.name == "" {
		return item{}, output.Usage("a %s in the file has no metadata.name", n.kind)
	}
	if n.scope == global {
		return i, nil
	}
	if namespace := u.GetNamespace(); namespace != "" {
		var ok bool
		if i.project, ok = strings.CutPrefix(namespace, v1alpha1.ProjectNamespacePrefix); !ok {
			return item{}, output.Usage("%s is in the namespace %q, which is no project's", i, namespace)
		}
	} else if i.project, err = s.project(ctx); err != nil {
		return item{}, err
	}
	if n.scope == inCluster {
		if i.cluster, _, _ = unstructured.NestedString(u.Object, "spec", "cluster"); i.cluster == "" {
			return item{}, output.Usage("%s has no spec.cluster", i)
		}
	}
	return i, nil
}

// outcome is what became of a document.
type outcome string

const (
	created   outcome = "created"
	changed   outcome = "configured"
	unchanged outcome = "unchanged"
)

// putAttempts is how often a document is merged into what there is, while others change that at the same time.
const putAttempts = 5

// put makes the thing what its document says: its spec, and the labels and annotations that the document has. It returns what there was
// before, which is nil if there was nothing.
func (s *session) put(ctx context.Context, i item, dryRun bool) (after, before *unstructured.Unstructured, err error) {
	for attempt := 1; ; attempt++ {
		before, err = s.client.Object(ctx, api.Request{Path: i.path()})
		request := api.Request{Method: http.MethodPut, Path: i.path(), Query: dryRunQuery(dryRun)}
		switch {
		case api.IsNotFound(err):
			before = nil
			request.Method, request.Path, request.Body = http.MethodPost, i.noun.collection(i.project, i.cluster), clean(i.object).Object
		case err != nil:
			return nil, nil, explain("reading "+i.String(), err)
		default:
			there := item{object: before}
			request.Header, request.Body = there.etag(), merged(before, clean(i.object)).Object
		}
		after, err = s.client.Object(ctx, request)
		if dryRun && before == nil && i.noun.scope == inCluster && api.IsNotFound(err) { // its cluster is made before it is
			return clean(i.object), nil, nil
		}
		if !api.IsStale(err) || attempt == putAttempts {
			return after, before, explain("writing "+i.String(), err)
		}
	}
}

// clean returns the part of an object that people write.
func clean(u *unstructured.Unstructured) *unstructured.Unstructured {
	out := u.DeepCopy()
	unstructured.RemoveNestedField(out.Object, "status")
	for _, field := range []string{"creationTimestamp", "managedFields", "resourceVersion", "uid", "generation", "finalizers", "ownerReferences", "namespace", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"} {
		unstructured.RemoveNestedField(out.Object, "metadata", field)
	}
	return out
}

// merged returns what there is with the document's spec, and its labels and annotations beside those of others.
func merged(there, document *unstructured.Unstructured) *unstructured.Unstructured {
	out := clean(there)
	out.Object["spec"] = document.Object["spec"]
	if document.Object["spec"] == nil {
		delete(out.Object, "spec")
	}
	out.SetLabels(union(out.GetLabels(), document.GetLabels()))
	out.SetAnnotations(union(out.GetAnnotations(), document.GetAnnotations()))
	out.SetFinalizers(there.GetFinalizers())
	out.SetOwnerReferences(there.GetOwnerReferences())
	return out
}

func union(a, b map[string]string) map[string]string {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := maps.Clone(a)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, b)
	return out
}

func outcomeOf(after, before *unstructured.Unstructured) outcome {
	switch {
	case before == nil:
		return created
	case sameContent(after, before):
		return unchanged
	}
	return changed
}

func sameContent(a, b *unstructured.Unstructured) bool {
	x, errX := toYAML(clean(a))
	y, errY := toYAML(clean(b))
	return errX == nil && errY == nil && x == y
}

// applyOptions are the flags of "canopy apply".
type applyOptions struct {
	clientFlags
	waitFlags

	files    []string
	dry      string
	prune    bool
	selector string
}

// newApplyCommand returns "canopy apply".
func newApplyCommand() *cobra.Command {
	o := &applyOptions{}
	cmd := &cobra.Command{
		Use:     "apply -f FILE",
		Short:   "Make things what documents say",
		GroupID: groupUse,
		Long: `Make things what documents say: those that are missing are created, those that differ get the document's spec. What a document does
not say has its default then; labels and annotations of others stay. The same documents can be given to kubectl on the master.

With --prune, things of the same kinds that have the labels of --selector and are in no document are deleted.`,
		Example: `  canopy apply -f shop.yaml
  canopy get cluster shop -o yaml | canopy apply -f - --dry-run=server
  canopy apply -f clusters/ --prune --selector team=shop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.clientFlags.add(cmd)
	o.addProject(cmd)
	o.waitFlags.add(cmd)
	addDryRun(cmd, &o.dry)
	addFiles(cmd, &o.files)
	cmd.Flags().BoolVar(&o.prune, "prune", false, "delete what has the labels of --selector and is in no document")
	cmd.Flags().StringVarP(&o.selector, "selector", "l", "", "labels that all of the documents have, such as team=shop; for --prune")
	cmd.MarkFlagsRequiredTogether("prune", "selector")
	return cmd
}

func addFiles(cmd *cobra.Command, files *[]string) {
	cmd.Flags().StringArrayVarP(files, "filename", "f", nil, "file with documents, folder with such files, or - for standard input")
	required(cmd, "filename")
}

func (o *applyOptions) run(cmd *cobra.Command) error {
	if err := checkDryRun(o.dry); err != nil {
		return err
	}
	s, err := o.open(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	items, err := s.readItems(ctx, o.files)
	if err != nil {
		return err
	}
	suffix := map[string]string{dryRunClient: " (dry run)", dryRunServer: " (server dry run)"}[o.dry]
	var written []item
	for _, i := range items {
		if o.dry == dryRunClient {
			s.printf("%s would be written%s\n", i, suffix)
			continue
		}
		after, before, err := s.put(ctx, i, o.dry == dryRunServer)
		if err != nil {
			return err
		}
		s.printf("%s %s%s\n", i, outcomeOf(after, before), suffix)
		i.object = after
		written = append(written, i)
	}
	if o.prune {
		if err := o.pruneOthers(ctx, s, items, suffix); err != nil {
			return err
		}
	}
	if o.dry != "" || o.noWait {
		return nil
	}
	return s.awaitAll(ctx, written, &o.waitFlags)
}

// awaitAll waits for clusters and node pools, one after the other: they come to be at the same time all the same.
func (s *session) awaitAll(ctx context.Context, items []item, f *waitFlags) error {
	for _, i := range items {
		if i.noun.kind != "Cluster" && i.noun.kind != "NodePool" {
			continue
		}
		if err := s.awaitReady(ctx, i, f); err != nil {
			return err
		}
	}
	return nil
}

// pruneOthers deletes what has the labels and is in no document, of the kinds and projects that the documents are of.
func (o *applyOptions) pruneOthers(ctx context.Context, s *session, items []item, suffix string) error {
	keep := map[string]bool{}
	for _, i := range items {
		keep[i.path()] = true
	}
	seen := map[string]bool{}
	for _, i := range items {
		collection := i.noun.collection(i.project, i.cluster)
		if seen[collection] {
			continue
		}
		seen[collection] = true
		list, err := s.client.List(ctx, collection, url.Values{"labelSelector": {o.selector}})
		if err != nil {
			return explain("listing "+i.noun.plural, err)
		}
		for k := range list.Items {
			old := item{reference: reference{i.noun, list.Items[k].GetName()}, place: i.place, object: &list.Items[k]}
			if keep[old.path()] || old.object.GetDeletionTimestamp() != nil {
				continue
			}
			if o.dry != dryRunClient {
				request := api.Request{Method: http.MethodDelete, Path: old.path(), Header: old.etag(), Query: dryRunQuery(o.dry == dryRunServer)}
				if err := s.client.Into(ctx, request, nil); err != nil && !api.IsNotFound(err) {
					return explain("deleting "+old.String(), err)
				}
			}
			s.printf("%s pruned%s\n", old, suffix)
		}
	}
	return nil
}

// readItems reads all documents of files and folders, in the order in which they can be made.
func (s *session) readItems(ctx context.Context, paths []string) ([]item, error) {
	var items []item
	for _, path := range paths {
		files, err := filesIn(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			documents, err := readDocuments(s.in, file)
			if err != nil {
				return nil, err
			}
			for k := range documents {
				i, err := s.locate(ctx, &documents[k])
				if err != nil {
					return nil, fmt.Errorf("%s: %w", file, err)
				}
				items = append(items, i)
			}
		}
	}
	if len(items) == 0 {
		return nil, output.Usage("there are no documents in %s", strings.Join(paths, ", "))
	}
	slices.SortStableFunc(items, func(a, b item) int { return rank(a) - rank(b) })
	return items, nil
}

// rank puts what is needed by others before them: projects before what is in them, clusters before their pools.
func rank(i item) int {
	switch i.noun.scope {
	case global:
		return 0
	case inCluster:
		return 2
	}
	return 1
}

// filesIn returns the file, or the documents in the folder, sorted by name.
func filesIn(path string) ([]string, error) {
	info, err := os.Stat(path)
	if path == "-" || err == nil && !info.IsDir() {
		return []string{path}, nil
	}
	if err != nil {
		return nil, &output.Error{Exit: output.ExitUsage, What: err.Error(), Err: err}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		if name := entry.Name(); !entry.IsDir() && (strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.HasSuffix(name, ".json")) {
			files = append(files, path+string(os.PathSeparator)+name)
		}
	}
	return files, nil
}
