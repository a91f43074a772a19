"""What readers answered in the page's study mode: tables for analysis and a page that sums up."""
