// Command clipreader reads .clip files with nothing but Go's standard library, as Go CLIP does.
//
//	clipreader dump FILE          prints the file as JSON, in the form of the recorded go.dump.json
//	clipreader reencode FILE OUT  writes the file again with Go's own encoder
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "clipreader:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "dump":
		return dump(args[1], os.Stdout)
	case len(args) == 3 && args[0] == "reencode":
		return reencode(args[1], args[2])
	}
	return fmt.Errorf("usage: clipreader dump FILE | reencode FILE OUT")
}

type archive struct {
	header  header
	nodes   []*node
	wrapper storageInfoWrapper
	storage ociStorageInfo
}

func read(path string) (*archive, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	a := &archive{}
	if err := binary.Read(bytes.NewReader(file), binary.LittleEndian, &a.header); err != nil {
		return nil, err
	}
	index, err := section(file, a.header.IndexPos, a.header.IndexLength)
	if err != nil {
		return nil, err
	}
	if err := gob.NewDecoder(index).Decode(&a.nodes); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	storage, err := section(file, a.header.StorageInfoPos, a.header.StorageInfoLength)
	if err != nil {
		return nil, err
	}
	if err := gob.NewDecoder(storage).Decode(&a.wrapper); err != nil {
		return nil, fmt.Errorf("storage info: %w", err)
	}
	if err := gob.NewDecoder(bytes.NewReader(a.wrapper.Data)).Decode(&a.storage); err != nil {
		return nil, fmt.Errorf("OCI storage info: %w", err)
	}
	return a, nil
}

func section(file []byte, pos, length int64) (io.Reader, error) {
	if pos < 0 || length < 0 || pos > int64(len(file)) || length > int64(len(file))-pos {
		return nil, fmt.Errorf("section %d+%d of %d", pos, length, len(file))
	}
	return bytes.NewReader(file[pos : pos+length]), nil
}

func reencode(path, out string) error {
	a, err := read(path)
	if err != nil {
		return err
	}
	var index, data, storage bytes.Buffer
	if err := gob.NewEncoder(&index).Encode(a.nodes); err != nil {
		return err
	}
	if err := gob.NewEncoder(&data).Encode(a.storage); err != nil {
		return err
	}
	if err := gob.NewEncoder(&storage).Encode(storageInfoWrapper{Type: a.wrapper.Type, Data: data.Bytes()}); err != nil {
		return err
	}
	h := a.header
	h.IndexPos = int64(binary.Size(h))
	h.IndexLength = int64(index.Len())
	h.StorageInfoPos = h.IndexPos + h.IndexLength
	h.StorageInfoLength = int64(storage.Len())
	var file bytes.Buffer
	if err := binary.Write(&file, binary.LittleEndian, &h); err != nil {
		return err
	}
	file.Write(index.Bytes())
	file.Write(storage.Bytes())
	return os.WriteFile(out, file.Bytes(), 0o644)
}

type object = map[string]any

func dump(path string, out io.Writer) error {
	a, err := read(path)
	if err != nil {
		return err
	}
	nodes := make([]object, 0, len(a.nodes))
	for _, n := range a.nodes {
		nodes = append(nodes, describe(n))
	}
	return json.NewEncoder(out).Encode(object{
		"header": object{
			"startBytes":        hex.EncodeToString(a.header.StartBytes[:]),
			"version":           a.header.ClipFileFormatVersion,
			"indexPos":          a.header.IndexPos,
			"indexLength":       a.header.IndexLength,
			"storageInfoPos":    a.header.StorageInfoPos,
			"storageInfoLength": a.header.StorageInfoLength,
			"storageInfoType":   strings.TrimRight(string(a.header.StorageInfoType[:]), "\x00"),
		},
		"nodeCount":           len(a.nodes),
		"storageInfoTypeName": a.wrapper.Type,
		"storageInfo":         a.storage,
		"nodes":               nodes,
	})
}

func describe(n *node) object {
	d := object{
		"path": n.Path, "type": n.NodeType,
		"mode": n.Attr.Mode, "modeOctal": fmt.Sprintf("%06o", n.Attr.Mode),
		"uid": n.Attr.Owner.Uid, "gid": n.Attr.Owner.Gid,
		"size": n.Attr.Size, "blocks": n.Attr.Blocks, "nlink": n.Attr.Nlink, "rdev": n.Attr.Rdev,
		"ino":       strconv.FormatUint(n.Attr.Ino, 10),
		"atime":     strconv.FormatUint(n.Attr.Atime, 10),
		"mtime":     strconv.FormatUint(n.Attr.Mtime, 10),
		"ctime":     strconv.FormatUint(n.Attr.Ctime, 10),
		"atimensec": n.Attr.Atimensec, "mtimensec": n.Attr.Mtimensec, "ctimensec": n.Attr.Ctimensec,
	}
	if !utf8.ValidString(n.Path) {
		d["pathHex"] = hex.EncodeToString([]byte(n.Path))
	}
	if n.Target != "" {
		d["target"] = n.Target
		if !utf8.ValidString(n.Target) {
			d["targetHex"] = hex.EncodeToString([]byte(n.Target))
		}
	}
	addIf(d, "contentHash", hex.EncodeToString([]byte(n.ContentHash)), n.ContentHash != "")
	addIf(d, "dataPos", n.DataPos, n.DataPos != 0)
	addIf(d, "dataLen", n.DataLen, n.DataLen != 0)
	addIf(d, "blksize", n.Attr.Blksize, n.Attr.Blksize != 0)
	addIf(d, "padding", n.Attr.Padding, n.Attr.Padding != 0)
	if n.Remote != nil {
		d["remote"] = object{"layer": n.Remote.LayerDigest, "off": n.Remote.UOffset, "len": n.Remote.ULength}
	}
	return d
}

func addIf(d object, key string, value any, present bool) {
	if present {
		d[key] = value
	}
}
