// Command ztoc builds SOCI's index of an image's layers at 4 MiB spans. SOCI's builder reads a file, so each layer is
// first downloaded and verified, as containerd does it for SOCI.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"clipctl-bench-peers/internal/registry"

	"github.com/awslabs/soci-snapshotter/ztoc"
)

const spanBytes = 4 << 20

func main() {
	folder, err := os.MkdirTemp("", "clipctl-bench-ztoc-")
	if err != nil {
		log.Fatal(err)
	}
	outputBytes, ztocBytes, err := indexImage(os.Args[1], folder)
	os.RemoveAll(folder)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"outputBytes\":%d,\"ztocBytes\":%d}\n", outputBytes, ztocBytes)
}

func indexImage(reference, folder string) (outputBytes, ztocBytes int64, err error) {
	repository, layers, err := registry.Open(reference)
	if err != nil {
		return 0, 0, err
	}
	for _, layer := range layers {
		path := filepath.Join(folder, layer.DiffID)
		if err := download(repository, layer, path); err != nil {
			return 0, 0, err
		}
		built, err := ztoc.NewBuilder("clipctl-bench").BuildZtoc(path, spanBytes)
		if err != nil {
			return 0, 0, err
		}
		_, descriptor, err := ztoc.Marshal(built)
		if err != nil {
			return 0, 0, err
		}
		outputBytes += int64(built.UncompressedArchiveSize)
		ztocBytes += descriptor.Size
	}
	return outputBytes, ztocBytes, nil
}

func download(repository *registry.Repository, layer registry.Layer, path string) error {
	body, err := repository.Blob(layer.Digest)
	if err != nil {
		return err
	}
	defer body.Close()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	digest := sha256.New()
	if _, err := io.CopyBuffer(io.MultiWriter(file, digest), body, make([]byte, 256<<10)); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(digest.Sum(nil)); got != layer.Digest {
		return fmt.Errorf("expected %s, got %s", layer.Digest, got)
	}
	return nil
}
