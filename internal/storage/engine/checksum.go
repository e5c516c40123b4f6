package engine

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/iceberg-go"

	"steward/internal/storage/blob"
)

// Every file of a table carries a CRC-32C of its bytes, so that damage is found
// and named before anything of it is shown. It stands where it costs no file and
// no list of its own, and where other programs do not mind it:
//
//   - in the name of a metadata file and of a file of deletion vectors;
//   - of a data file, which is not read as a whole, that of each block in the
//     footer, and that of the footer in the name;
//   - in the synchronization marker of an Avro file, whose name the library
//     gives before the content is known.
//
// A metadata file is named by the caller's pointer, and names or certifies
// everything else. Files without a checksum, as other programs write them, are
// taken as they are.

// blockSize is how many bytes of a data file have a checksum.
const blockSize = 64 << 10

// blocksKey names the checksums of the blocks in the footer of a data file.
const blocksKey = "steward.blocks"

// DamageError says that a file is not what was written.
type DamageError struct {
	File   string // its location
	Offset int64  // where the damaged part begins
	Found  string // what is wrong
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged from byte %d on: %s", e.File, e.Offset, e.Found)
}

func checksum(sum uint32, p []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), p)
}

// sealedName returns a file name that nothing has yet, with a checksum.
func sealedName(sum uint32) string { return fmt.Sprintf("%s-%08x", freshName(), sum) }

// sumOf returns the checksum in the name of a file; false if it has none.
func sumOf(location string) (uint32, bool) {
	stem, _, _ := strings.Cut(path.Base(location), ".")
	_, sum, ok := cutLast(stem, "-")
	if !ok || len(sum) != 8 {
		return 0, false
	}
	n, err := strconv.ParseUint(sum, 16, 32)
	return uint32(n), err == nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// renamed returns a file name that nothing has yet for what a location shows.
func renamed(location string) string {
	name := freshName()
	if sum, ok := sumOf(location); ok {
		name = sealedName(sum)
	}
	return name + path.Ext(location)
}

// check compares the whole content of a file with its checksum.
func check(location string, content []byte) error {
	if strings.HasSuffix(location, ".avro") {
		return checkAvro(location, content)
	}
	if sum, ok := sumOf(location); ok && checksum(0, content) != sum {
		return &DamageError{File: location, Found: fmt.Sprintf("its %d bytes do not have the checksum of its name", len(content))}
	}
	return nil
}

// avroMark begins the synchronization markers of the Avro files of this program.
const avroMark = "\xf1Steward\x00\xc3\x9a\xe5"

// avroMagic begins an Avro file.
const avroMagic = "Obj\x01"

// markerSize is the length of a synchronization marker.
const markerSize = 16

// sealAvro puts a checksum into an Avro file: between its blocks and at its end
// stands a marker of any 16 bytes, which are chosen anew.
func sealAvro(location string, content []byte) []byte {
	if len(content) < markerSize {
		return content // no Avro file
	}
	marker := content[len(content)-markerSize:]
	sealed := binary.BigEndian.AppendUint32([]byte(avroMark), avroSum(location, content, marker))
	return bytes.ReplaceAll(content, marker, sealed)
}

// checkAvro compares an Avro file with its checksum.
func checkAvro(location string, content []byte) error {
	marker := content[max(0, len(content)-markerSize):]
	if !bytes.Contains(content, []byte(avroMark)) && !almost(marker, avroMark) {
		// Of another program, or so spoiled that it has no marker any more.
		if begin := avroMarker(content); begin == nil || !bytes.Equal(begin, marker) {
			return &DamageError{File: location, Found: fmt.Sprintf("its %d bytes are no whole Avro file", len(content))}
		}
		return nil
	}
	want := binary.BigEndian.AppendUint32([]byte(avroMark), avroSum(location, content, marker))
	if !bytes.Equal(marker, want) {
		return &DamageError{File: location, Found: fmt.Sprintf("its %d bytes do not have the checksum that they end with", len(content))}
	}
	return nil
}

// avroMarker returns the marker behind the header of an Avro file, nil if there is none.
func avroMarker(content []byte) []byte {
	rest, ok := bytes.CutPrefix(content, []byte(avroMagic))
	number := func() int64 {
		n, size := binary.Varint(rest)
		ok = ok && size > 0
		rest = rest[max(0, size):]
		return n
	}
	for count := number(); ok && count != 0; count = number() {
		if count < 0 {
			count = -count
			number() // the bytes of so many entries
		}
		for ; ok && count > 0; count-- {
			for range 2 { // a name, a value
				length := number()
				if ok = ok && 0 <= length && length <= int64(len(rest)); ok {
					rest = rest[length:]
				}
			}
		}
	}
	if !ok || len(rest) < markerSize {
		return nil
	}
	return rest[:markerSize]
}

// almost tells whether a text begins with another one, some bytes of which may be damaged.
func almost(text []byte, begin string) bool {
	same := 0
	for i := range min(len(text), len(begin)) {
		if text[i] == begin[i] {
			same++
		}
	}
	return same > len(begin)/2
}

// avroSum returns the checksum of the name of an Avro file and of its content but
// for the markers.
func avroSum(location string, content, marker []byte) uint32 {
	sum := checksum(0, []byte(path.Base(location)))
	for len(content) > 0 {
		part, rest, _ := bytes.Cut(content, marker)
		sum = checksum(checksum(sum, part), []byte{0})
		content = rest
	}
	return sum
}

// seal is what the bytes of a data file are compared with.
type seal struct {
	size int64    // of the file
	end  int64    // where the footer begins
	sums []uint32 // of each block before the footer; the last one may be shorter
}

// encodeSums returns the checksums of whole blocks as the footer has them.
func encodeSums(sums []uint32) string {
	encoded := make([]byte, 0, 4*len(sums))
	for _, sum := range sums {
		encoded = binary.LittleEndian.AppendUint32(encoded, sum)
	}
	return base64.StdEncoding.EncodeToString(encoded)
}

// sealedFile is a data file open for reading. What it reads it compares with
// the checksums first, each block once.
type sealedFile struct {
	*blob.File
	location string
	seal     *seal // nil if the file has no checksums

	footer bool            // the footer may be read, and is as it was written
	seen   []atomic.Uint64 // a bit for each block that is as it was written
	blocks sync.Pool       // of *[]byte
}

// openSealed opens a data file. known is what an earlier opening of it learned,
// nil if there was none: then the footer is compared with its checksum, and
// [sealedFile.trust] must be called with what it says.
func openSealed(files *files, data iceberg.DataFile, known *seal) (_ *sealedFile, err error) {
	location := data.FilePath()
	source, err := files.open(location)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = source.Close() // only read
		}
	}()
	f := &sealedFile{File: source, location: location, seal: known}
	if size := source.Size(); size != data.FileSizeBytes() {
		return nil, f.damage(min(size, data.FileSizeBytes()), fmt.Sprintf("it has %d bytes, not %d", size, data.FileSizeBytes()))
	}
	sum, ok := sumOf(location)
	switch {
	case !ok:
	case known != nil:
		f.seen = make([]atomic.Uint64, len(known.sums)/64+1)
	default:
		if err := f.checkFooter(sum); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *sealedFile) damage(offset int64, found string) error {
	return &DamageError{File: f.location, Offset: offset, Found: found}
}

// footerTail is how many bytes end a Parquet file: the length of the footer, and
// the magic.
const footerTail = 8

// checkFooter compares the end of the file, from the last whole block before the
// footer on, with its checksum.
func (f *sealedFile) checkFooter(want uint32) error {
	size := f.Size()
	var tail [footerTail]byte
	if size < int64(len(tail)) {
		return f.damage(0, "it has no footer")
	}
	if _, err := f.File.ReadAt(tail[:], size-footerTail); err != nil {
		return err
	}
	end := size - footerTail - int64(binary.LittleEndian.Uint32(tail[:]))
	if end < 0 {
		return f.damage(size-footerTail, "the length of its footer is wrong")
	}
	begin := end / blockSize * blockSize
	sum, err := f.sumFrom(0, begin, end)
	if err != nil {
		return err
	}
	whole, err := f.sumFrom(sum, end, size)
	if err != nil {
		return err
	}
	if whole != want {
		return f.damage(begin, "its footer does not have the checksum of its name")
	}
	f.seal = &seal{size: size, end: end, sums: make([]uint32, begin/blockSize, begin/blockSize+1)}
	if end > begin {
		f.seal.sums = append(f.seal.sums, sum)
	}
	f.seen = make([]atomic.Uint64, len(f.seal.sums)/64+1)
	f.pass(begin / blockSize)
	f.footer = true
	return nil
}

// sumFrom continues a checksum with the bytes from one offset to before another.
func (f *sealedFile) sumFrom(sum uint32, from, to int64) (uint32, error) {
	buffer := make([]byte, min(blockSize, to-from))
	for from < to {
		part := buffer[:min(int64(len(buffer)), to-from)]
		if _, err := f.File.ReadAt(part, from); err != nil {
			return 0, err
		}
		sum = checksum(sum, part)
		from += int64(len(part))
	}
	return sum, nil
}

// trust takes over the checksums of the blocks from the footer.
func (f *sealedFile) trust(m *metadata.FileMetaData) error {
	if f.seal == nil {
		return nil
	}
	whole := int(f.seal.end / blockSize)
	text := ""
	if value := m.KeyValueMetadata().FindValue(blocksKey); value != nil {
		text = *value
	}
	encoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(encoded) != 4*whole {
		return f.damage(f.seal.end, fmt.Sprintf("its footer does not have the checksums of %d blocks", whole))
	}
	for i := range whole {
		f.seal.sums[i] = binary.LittleEndian.Uint32(encoded[4*i:])
	}
	return nil
}

func (f *sealedFile) passed(block int64) bool {
	return f.seen[block/64].Load()>>(block%64)&1 == 1
}

func (f *sealedFile) pass(block int64) { f.seen[block/64].Or(1 << (block % 64)) }

// ReadAt reads bytes that are as they were written, and fails with a
// *DamageError if they are not. It is safe for concurrent use.
func (f *sealedFile) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(p, offset)
	if f.seal == nil || n == 0 {
		return n, err
	}
	end := offset + int64(n)
	if end > f.seal.end && !f.footer {
		return 0, f.damage(f.seal.end, "its footer is read as if it were data")
	}
	for block := offset / blockSize; block < int64(len(f.seal.sums)) && block*blockSize < end; block++ {
		if f.passed(block) {
			continue
		}
		if err := f.checkBlock(block, p[:n], offset); err != nil {
			return 0, err
		}
		f.pass(block)
	}
	return n, err
}

// checkBlock compares a block with its checksum. p was read of the file from an
// offset on; if it has only a part of the block, it gets what was compared.
func (f *sealedFile) checkBlock(block int64, p []byte, offset int64) error {
	begin, end := block*blockSize, min((block+1)*blockSize, f.seal.end)
	if offset <= begin && end <= offset+int64(len(p)) {
		if checksum(0, p[begin-offset:end-offset]) != f.seal.sums[block] {
			return f.damage(begin, "a block does not have its checksum")
		}
		return nil
	}
	buffer, ok := f.blocks.Get().(*[]byte)
	if !ok {
		b := make([]byte, min(blockSize, f.seal.end))
		buffer = &b
	}
	defer f.blocks.Put(buffer)
	content := (*buffer)[:end-begin]
	if _, err := f.File.ReadAt(content, begin); err != nil {
		return err
	}
	if checksum(0, content) != f.seal.sums[block] {
		return f.damage(begin, "a block does not have its checksum")
	}
	if offset < begin {
		copy(p[begin-offset:], content)
	} else {
		copy(p, content[offset-begin:])
	}
	return nil
}

// Read is not offered: it would go around the checksums.
func (f *sealedFile) Read([]byte) (int, error) {
	return 0, fmt.Errorf("engine: %s is read at offsets only", f.location)
}

var _ io.ReaderAt = (*sealedFile)(nil)
