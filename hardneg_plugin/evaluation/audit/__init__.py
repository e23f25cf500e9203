"""What is wrong with training rows, whoever made them: each check takes the table of all rows and returns findings."""
