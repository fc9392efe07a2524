// Command gzip packs stdin as docker and buildkit do: compress/gzip at its default level.
package main

import (
	"compress/gzip"
	"io"
	"log"
	"os"
)

func main() {
	writer := gzip.NewWriter(os.Stdout)
	if _, err := io.CopyBuffer(writer, struct{ io.Reader }{os.Stdin}, make([]byte, 256<<10)); err != nil {
		log.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		log.Fatal(err)
	}
}
