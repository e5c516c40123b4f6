package console_test

import "github.com/PuerkitoBio/goquery"

type gq = goquery.Selection
