package breached

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"

	"github.com/zeebo/xxh3"
)

// The operator's file is a row of blocks of 4 KiB. The first one is the header: magic,
// version, size of a record, number of records and, at its end, a checksum. The others
// hold 511 records each, sorted, none twice, and a checksum; the last one is filled up
// with the highest record. Numbers are big-endian; a checksum is XXH3 of the rest of the
// block, seeded with the block's number, so that a block at another's place shows.
//
// A record is the first eight bytes of a SHA-1. Among two billion records, a password
// that is none of them is taken for one with a chance of 2³¹/2⁶⁴, one in eight billion;
// with six bytes it would be one in 130,000, and all twenty would make the file two and
// a half times as large. Since digests are spread evenly, where a record must be is
// computed, and two or three blocks are read to find it.
const (
	fileMagic   = "steward breached passwords\n"
	fileVersion = 1
	recordSize  = 8
	blockSize   = 4096
	perBlock    = blockSize/recordSize - 1
	padding     = math.MaxUint64

	versionAt = 32
	recordAt  = 36
	countAt   = 40

	// wholeBlocks is how large a list is read whole before it is used. Of a larger one,
	// header, size and both ends are checked then, and any block whenever it is read.
	wholeBlocks = 64 << 20 / blockSize
)

// File is where the operator's list is in a data folder.
func File(data string) string { return filepath.Join(data, "passwords", "breached.list") }

type record uint64

// digest gives the record of a password.
func digest(password []byte) record {
	sum := sha1.Sum(password)
	return record(binary.BigEndian.Uint64(sum[:]))
}

type block [blockSize]byte

func (b *block) record(i int) record { return record(binary.BigEndian.Uint64(b[i*recordSize:])) }

func (b *block) sum(number int64) uint64 {
	return xxh3.HashSeed(b[:blockSize-recordSize], uint64(number))
}

// seal puts the checksum in.
func (b *block) seal(number int64) {
	binary.BigEndian.PutUint64(b[blockSize-recordSize:], b.sum(number))
}

func (b *block) sealed(number int64) bool {
	return binary.BigEndian.Uint64(b[blockSize-recordSize:]) == b.sum(number)
}

// list is an operator's file that is open. It is safe for concurrent use, except Close.
type list struct {
	*os.File
	info  os.FileInfo
	count int64
}

// openList opens a file and checks its header and size. The error names the file and
// says what to do; it is fs.ErrNotExist when there is none.
func openList(path string) (*list, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("breached: %w", err)
	}
	l := &list{File: f}
	if err := l.open(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

func (l *list) open() (err error) {
	if l.info, err = l.Stat(); err != nil {
		return fmt.Errorf("breached: %w", err)
	}
	var head block
	n, err := l.ReadAt(head[:], 0)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("breached: %w", err)
	case !bytes.HasPrefix(head[:n], []byte(fileMagic)):
		return l.damaged("it is no list of breached passwords")
	case n < blockSize || !head.sealed(0):
		return l.damaged("its header is damaged")
	case binary.BigEndian.Uint32(head[versionAt:]) != fileVersion || binary.BigEndian.Uint32(head[recordAt:]) != recordSize:
		return l.damaged("it is of another version of this program")
	}
	l.count = int64(binary.BigEndian.Uint64(head[countAt:]))
	if l.count <= 0 || l.info.Size() != (1+l.blocks())*blockSize {
		return l.damaged(fmt.Sprintf("it has %d bytes and not those of its %d records", l.info.Size(), l.count))
	}
	return nil
}

// verify reads the whole list, or of a large one both ends.
func (l *list) verify() error {
	if l.blocks() > wholeBlocks {
		var b block
		for _, i := range []int64{0, l.blocks() - 1} {
			if err := l.read(i, &b); err != nil {
				return err
			}
		}
		return nil
	}
	records := l.records()
	var last record
	for i := range l.count {
		r, err := records.next()
		if err != nil {
			return err
		}
		if i > 0 && r <= last {
			return l.damaged("its records are in no order")
		}
		last = r
	}
	return nil
}

// blocks is how many blocks follow the header.
func (l *list) blocks() int64 { return (l.count + perBlock - 1) / perBlock }

// read reads the block of a number, counted after the header.
func (l *list) read(i int64, b *block) error {
	if _, err := l.ReadAt(b[:], (i+1)*blockSize); err != nil {
		return fmt.Errorf("breached: %w", err)
	}
	if !b.sealed(i + 1) {
		return l.damaged(fmt.Sprintf("its block %d is damaged", i+1))
	}
	return nil
}

func (l *list) damaged(how string) error {
	return fmt.Errorf("%s cannot be used, %s: import the list again (steward passwords import), or remove the file to go without it", l.Name(), how)
}

// has reports whether the list has a record. It fails when a block that it needs is
// damaged or cannot be read.
func (l *list) has(r record) (bool, error) {
	var b block
	low, high := int64(0), l.blocks()-1 // blocks where the record may be
	least, most := record(0), record(padding)
	for try := 0; low <= high; try++ {
		at := low + (high-low)/2
		if try < 8 && least < most { // more than it ever takes, with digests
			at = low + int64(float64(high-low)*(float64(r-least)/float64(most-least)))
			at = min(max(at, low), high)
		}
		if err := l.read(at, &b); err != nil {
			return false, err
		}
		n := int(min(perBlock, l.count-at*perBlock))
		switch first, last := b.record(0), b.record(n-1); {
		case r < first:
			high, most = at-1, first
		case r > last:
			low, least = at+1, last
		default:
			_, found := sort.Find(n, func(i int) int { return cmp.Compare(r, b.record(i)) })
			return found, nil
		}
	}
	return false, nil
}

// records reads a list from its first record to its last one.
func (l *list) records() *records {
	return &records{list: l, from: bufio.NewReaderSize(io.NewSectionReader(l, blockSize, math.MaxInt64-blockSize), 16*blockSize)}
}

type records struct {
	list  *list
	from  *bufio.Reader
	block block
	taken int64
}

// next gives the next record, io.EOF after the last one.
func (r *records) next() (record, error) {
	if r.taken == r.list.count {
		return 0, io.EOF
	}
	i := int(r.taken % perBlock)
	if i == 0 {
		if _, err := io.ReadFull(r.from, r.block[:]); err != nil {
			return 0, fmt.Errorf("breached: %w", err)
		}
		if number := 1 + r.taken/perBlock; !r.block.sealed(number) {
			return 0, r.list.damaged(fmt.Sprintf("its block %d is damaged", number))
		}
	}
	r.taken++
	return r.block.record(i), nil
}

// writer writes a list. Records must come in order; one that is the same as the one
// before is left out.
type writer struct {
	file  *os.File
	to    *bufio.Writer
	block block
	count int64
	last  record
}

// newWriter makes a file that must not be there yet.
func newWriter(path string) (*writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("breached: %w", err)
	}
	w := &writer{file: f, to: bufio.NewWriterSize(f, 64*blockSize)}
	if _, err := w.to.Write(w.block[:]); err != nil { // where the header will be
		return nil, errors.Join(fmt.Errorf("breached: %w", err), f.Close())
	}
	return w, nil
}

func (w *writer) add(r record) error {
	if w.count > 0 && r == w.last {
		return nil
	}
	w.last = r
	binary.BigEndian.PutUint64(w.block[w.count%perBlock*recordSize:], uint64(r))
	if w.count++; w.count%perBlock == 0 {
		return w.flush()
	}
	return nil
}

func (w *writer) flush() error {
	w.block.seal((w.count + perBlock - 1) / perBlock)
	if _, err := w.to.Write(w.block[:]); err != nil {
		return fmt.Errorf("breached: %w", err)
	}
	return nil
}

// finish writes what is left and the header, and closes the file once all of it is on
// the disk.
func (w *writer) finish() error {
	if rest := int(w.count % perBlock); rest > 0 {
		for i := rest; i < perBlock; i++ {
			binary.BigEndian.PutUint64(w.block[i*recordSize:], padding)
		}
		if err := w.flush(); err != nil {
			return errors.Join(err, w.file.Close())
		}
	}
	var head block
	copy(head[:], fileMagic)
	binary.BigEndian.PutUint32(head[versionAt:], fileVersion)
	binary.BigEndian.PutUint32(head[recordAt:], recordSize)
	binary.BigEndian.PutUint64(head[countAt:], uint64(w.count))
	head.seal(0)
	err := w.to.Flush()
	if err == nil {
		_, err = w.file.WriteAt(head[:], 0)
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.file.Close()); err != nil {
		return fmt.Errorf("breached: %w", err)
	}
	return nil
}
