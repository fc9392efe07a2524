// Command single-pass does what `clipctl index` does to the layers of an image, with Go's standard library: download,
// sha256 of the compressed bytes, compress/gzip, sha256 of the tar, a walk over its headers, both digests compared.
// It writes no index, keeps no checkpoint: that would only make it slower.
package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"hash"
	"io"
	"log"
	"sync"

	"clipctl-bench-peers/internal/registry"
)

type facts struct {
	entries int
	bytes   int64
	err     error
}

func main() {
	jobs := flag.Int("jobs", 1, "layers at a time")
	flag.Parse()
	repository, layers, err := registry.Open(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	total := facts{}
	for _, layer := range passAll(repository, layers, *jobs) {
		if layer.err != nil {
			log.Fatal(layer.err)
		}
		total.entries += layer.entries
		total.bytes += layer.bytes
	}
	fmt.Printf("{\"outputBytes\":%d,\"entries\":%d}\n", total.bytes, total.entries)
}

func passAll(repository *registry.Repository, layers []registry.Layer, jobs int) []facts {
	found := make([]facts, len(layers))
	slots := make(chan struct{}, jobs)
	var group sync.WaitGroup
	for i, layer := range layers {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			found[i] = pass(repository, layer)
		})
	}
	group.Wait()
	return found
}

func pass(repository *registry.Repository, layer registry.Layer) facts {
	body, err := repository.Blob(layer.Digest)
	if err != nil {
		return facts{err: err}
	}
	defer body.Close()
	packed := sha256.New()
	compressed := bufio.NewReaderSize(io.TeeReader(body, packed), 256<<10)
	inflated, err := gzip.NewReader(compressed)
	if err != nil {
		return facts{err: err}
	}
	plain := &counted{hash: sha256.New()}
	content := bufio.NewReaderSize(io.TeeReader(inflated, plain), 256<<10)
	entries, err := walk(content)
	if err != nil {
		return facts{err: err}
	}
	// The end blocks of the tar, and what gzip has behind them.
	for _, rest := range []io.Reader{content, compressed} {
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return facts{err: err}
		}
	}
	return facts{entries: entries, bytes: plain.bytes, err: compare(layer, packed, plain.hash)}
}

func walk(content io.Reader) (int, error) {
	reader := tar.NewReader(content)
	for entries := 0; ; entries++ {
		if _, err := reader.Next(); err == io.EOF {
			return entries, nil
		} else if err != nil {
			return entries, err
		}
	}
}

func compare(layer registry.Layer, packed, plain hash.Hash) error {
	for expected, actual := range map[string]hash.Hash{layer.Digest: packed, layer.DiffID: plain} {
		if got := "sha256:" + hex.EncodeToString(actual.Sum(nil)); got != expected {
			return fmt.Errorf("expected %s, got %s", expected, got)
		}
	}
	return nil
}

type counted struct {
	hash  hash.Hash
	bytes int64
}

func (c *counted) Write(view []byte) (int, error) {
	c.bytes += int64(len(view))
	return c.hash.Write(view)
}
