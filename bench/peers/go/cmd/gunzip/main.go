// Command gunzip inflates a file with compress/gzip or klauspost/compress and drops the output.
package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"os"

	klauspost "github.com/klauspost/compress/gzip"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: gunzip std|klauspost FILE")
	}
	file, err := os.Open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	reader, err := open(os.Args[1], bufio.NewReaderSize(file, 256<<10))
	if err != nil {
		log.Fatal(err)
	}
	outputBytes, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, reader, make([]byte, 256<<10))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"outputBytes\":%d}\n", outputBytes)
}

func open(name string, file io.Reader) (io.Reader, error) {
	if name == "klauspost" {
		return klauspost.NewReader(file)
	}
	return gzip.NewReader(file)
}
