package storage

import (
	"steward/internal/access"
)

// Operations of storage jobs.
const (
	TableCreate           = "tableCreate" // a load that makes the table
	TableImport           = "tableImport"
	FileCheck             = "fileCheck" // reads a file as a load would, and changes nothing
	TableExport           = "tableExport"
	TableDefinitionCreate = "tableDefinitionCreate"
	TableColumnAdd        = "tableColumnAdd"
	TableColumnDelete     = "tableColumnDelete"
	TableColumnRename     = "tableColumnRename"
	TableKeyAdd           = "tablePrimaryKeyAdd"
	TableKeyDelete        = "tablePrimaryKeyDelete"
	TableRowsDelete       = "tableRowsDelete"
	TableRevert           = "tableRevert"
	TableCopy             = "tableCopy"
	SnapshotCreate        = "tableSnapshotCreate"
	SnapshotDelete        = "tableSnapshotDelete"
	TableDrop             = "tableDrop"
	BucketDelete          = "bucketDelete"
)

// Operations of system jobs.
const (
	TableCompact = "table.compact"    // rewrites what many small changes left
	TableTrim    = "table.trim"       // lets versions go that are past their time
	FilesPurge   = "table.purge"      // removes the files of a purged table
	Maintain     = "storage.maintain" // the round that finds what is past its time
	Sweep        = "storage.sweep"    // removes files that nothing refers to
)

// Operations lists the operations that jobs of people have, as filters offer them.
func Operations() []string {
	return []string{
		TableCreate, TableImport, FileCheck, TableExport, TableDefinitionCreate, TableColumnAdd, TableColumnDelete, TableColumnRename, TableKeyAdd, TableKeyDelete,
		TableRowsDelete, TableRevert, TableCopy, SnapshotCreate, SnapshotDelete, TableDrop, BucketDelete,
	}
}

// Needs is what a job's creator must be allowed to do while it runs.
func Needs(operation string) access.Permission {
	switch operation {
	case TableExport:
		return access.StorageRead
	case TableRevert, TableCopy, SnapshotCreate, SnapshotDelete:
		return access.SnapshotsWrite
	case BucketDelete:
		return access.BucketsWrite
	}
	return access.TablesWrite
}

// readsTable reports whether an operation reads all rows of a table to change it; the
// others write down what it holds.
func readsTable(operation string) bool {
	return operation == TableRowsDelete || operation == TableKeyAdd
}
