# Each value that would fail at Google, or cost data, fails in the plan with a sentence.

mock_provider "google" {}

variables {
  project_id = "lender-ml-1"
}

run "a_project_id_with_capitals" {
  command         = plan
  expect_failures = [var.project_id]
  variables {
    project_id = "Lender"
  }
}

run "a_place_that_is_none" {
  command         = plan
  expect_failures = [var.region]
  variables {
    region = "Frankfurt"
  }
}

run "a_label_with_blanks" {
  command         = plan
  expect_failures = [var.labels]
  variables {
    labels = { team = "Credit Risk" }
  }
}

run "no_days_at_all" {
  command         = plan
  expect_failures = [var.retention_days]
  variables {
    retention_days = 0
  }
}

run "a_class_that_is_none" {
  command         = plan
  expect_failures = [var.old_results]
  variables {
    old_results = "FROZEN"
  }
}

run "too_few_days_to_restore" {
  command         = plan
  expect_failures = [var.soft_delete_days]
  variables {
    soft_delete_days = 3
  }
}

run "a_log_bucket_with_its_scheme" {
  command         = plan
  expect_failures = [var.access_log_bucket]
  variables {
    access_log_bucket = "gs://logs"
  }
}

run "a_repository_without_owner" {
  command         = plan
  expect_failures = [var.github_repository]
  variables {
    github_repository = "loans"
  }
}

run "a_branch_that_is_no_ref" {
  command         = plan
  expect_failures = [var.github_ref]
  variables {
    github_ref = "main"
  }
}
