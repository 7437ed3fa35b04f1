// SPDX-FileCopyrightText: The Canopy Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"canopy.dev/canopy/internal/images"
	"canopy.dev/canopy/internal/images/build"
	"canopy.dev/canopy/internal/local"
)

const imageNames = `Images are named as in the list, those made from Kubernetes with or without its version: etcd, node, node@1.36.3, or
@1.36.3 for all of that version. Without a name, all images are meant that a platform with the default version needs.`

// newImagesCommand returns "canopy images": list, build, push and save container images.
func newImagesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "images",
		Short: "List, build and copy the container images that Canopy runs",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newImagesListCommand(), newImagesBuildCommand(), newImagesPushCommand(), newImagesSaveCommand(), newImagesLoadCommand())
	return cmd
}

func newImagesListCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all images, what they are made from, and whether they are built",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			builder, err := build.New(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			rows, err := imageRows(builder, images.All())
			if err != nil {
				return err
			}
			switch output {
			case "table":
				return printImageTable(cmd.OutOrStdout(), rows)
			case "json":
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(rows)
			default:
				return fmt.Errorf("there is no output format %q; there are table, json", output)
			}
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

func newImagesBuildCommand() *cobra.Command {
	return forImages(&cobra.Command{
		Use:   "build [name[@version]...]",
		Short: "Build images from Go modules and Debian packages; what is built already costs nothing",
	}, func(cmd *cobra.Command, _ *build.Builder, built []build.Image) error {
		for _, image := range built {
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), image.Ref()); err != nil {
				return err
			}
		}
		return nil
	})
}

func newImagesPushCommand() *cobra.Command {
	var registry string
	cmd := forImages(&cobra.Command{
		Use:   "push [name[@version]...]",
		Short: "Build images and copy them to a registry, as a mirror of the upstream ones",
	}, func(cmd *cobra.Command, b *build.Builder, built []build.Image) error {
		return b.Push(cmd.Context(), registry, built)
	})
	cmd.Flags().StringVar(&registry, "registry", local.DefaultSettings().RegistryURL(), "URL of the registry, such as https://registry.example.com/mirror; the default is the local platform's own")
	return cmd
}

func newImagesSaveCommand() *cobra.Command {
	var output string
	cmd := forImages(&cobra.Command{
		Use:   "save --output PATH [name[@version]...]",
		Short: "Build images and write them to an OCI layout, for sites without a network",
	}, func(cmd *cobra.Command, b *build.Builder, built []build.Image) error {
		return b.Save(cmd.Context(), output, built)
	})
	cmd.Flags().StringVar(&output, "output", "", "folder, or archive if it ends with .tar")
	return required(cmd, "output")
}

func newImagesLoadCommand() *cobra.Command {
	var registry string
	cmd := &cobra.Command{
		Use:   "load FOLDER --registry URL",
		Short: "Copy images that were saved to a registry; builds nothing and needs nothing else",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, folder []string) error {
			return build.PushSaved(cmd.Context(), registry, folder[0], cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&registry, "registry", "", "URL of the registry, such as https://registry.example.com/mirror")
	return required(cmd, "registry")
}

func required(cmd *cobra.Command, flag string) *cobra.Command {
	if err := cmd.MarkFlagRequired(flag); err != nil {
		panic(err) // the flag is defined in the line above the call
	}
	return cmd
}

// forImages makes cmd build the images that its arguments name, and then do with them what the command is there for.
func forImages(cmd *cobra.Command, then func(*cobra.Command, *build.Builder, []build.Image) error) *cobra.Command {
	var all bool
	cmd.Long = imageNames
	cmd.Flags().BoolVar(&all, "all", false, "every image that is built, for every Kubernetes version")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		wanted, err := selectImages(names, all)
		if err != nil {
			return err
		}
		builder, err := build.New(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		built, err := builder.Build(cmd.Context(), wanted)
		if err != nil {
			return err
		}
		return then(cmd, builder, built)
	}
	return cmd
}

func selectImages(names []string, all bool) ([]images.Image, error) {
	switch {
	case all && len(names) > 0:
		return nil, errors.New("give either names of images or --all")
	case all:
		return images.Built(), nil
	case len(names) == 0:
		return images.Default(), nil
	default:
		return images.Select(names...)
	}
}

// imageRow is one line of "canopy images list"; its JSON names are what scripts read.
type imageRow struct {
	Name      string   `json:"name"`
	Reference string   `json:"reference"`
	MadeFrom  []string `json:"madeFrom"`
	Built     bool     `json:"built"`
	Size      int64    `json:"size"` // compressed, in bytes
}

func imageRows(builder *build.Builder, all []images.Image) ([]imageRow, error) {
	rows := make([]imageRow, 0, len(all))
	for _, image := range all {
		row := imageRow{Name: image.String(), Reference: image.Ref()}
		if image.Upstream() {
			row.MadeFrom = []string{"upstream"}
			rows = append(rows, row)
			continue
		}
		for _, layer := range slices.Backward(image.Layers) { // what the image is there for is on top
			row.MadeFrom = append(row.MadeFrom, madeFrom(layer)...)
		}
		found, ok, err := builder.Find(image)
		if err != nil {
			return nil, err
		}
		if ok {
			row.Reference, row.Built, row.Size = found.Ref(), true, found.Size
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// madeFrom names the Go packages and Debian packages in a layer.
func madeFrom(layer images.Layer) []string {
	var from []string
	if layer.Go != nil {
		for _, pkg := range layer.Go.Binaries {
			if strings.HasPrefix(pkg, ".") {
				pkg = layer.Go.Folder + strings.TrimPrefix(pkg, ".")
			}
			from = append(from, "go:"+pkg)
		}
	}
	if layer.Debian != nil {
		for _, pkg := range layer.Debian.Packages {
			from = append(from, "deb:"+pkg)
		}
	}
	slices.Sort(from)
	return from
}

func printImageTable(w io.Writer, rows []imageRow) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "NAME\tREFERENCE\tBUILT\tSIZE\tMADE FROM") // errors come out of Flush
	for _, row := range rows {
		built, size := "no", "-"
		if row.Built {
			built, size = "yes", fmt.Sprintf("%.1f MB", float64(row.Size)/1e6)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", row.Name, row.Reference, built, size, summary(row.MadeFrom))
	}
	return table.Flush()
}

// summary shortens what an image is made from to something that fits a line.
func summary(from []string) string {
	const most = 3
	if len(from) <= most {
		return strings.Join(from, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(from[:most], " "), len(from)-most)
}
