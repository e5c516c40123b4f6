package jobs

// SearchWithin is Search that looks at so many jobs at most.
var SearchWithin = (*Service).search
