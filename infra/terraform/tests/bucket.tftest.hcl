# terraform test: plans with a mocked provider, so that neither an account nor the network is needed
# beyond the provider's own download.

mock_provider "google" {}

variables {
  project_id = "lender-ml-1"
}

run "the_bucket_is_private_and_keeps_versions" {
  command = plan

  assert {
    condition     = google_storage_bucket.artifacts.name == "loan-default-artifacts-lender-ml-1"
    error_message = "The bucket is named after the project."
  }
  assert {
    condition     = google_storage_bucket.artifacts.uniform_bucket_level_access && google_storage_bucket.artifacts.public_access_prevention == "enforced"
    error_message = "The bucket is never public."
  }
  assert {
    condition     = google_storage_bucket.artifacts.versioning[0].enabled && !google_storage_bucket.artifacts.force_destroy
    error_message = "What is replaced stays for a while, and a full bucket is not destroyed."
  }
  assert {
    condition     = google_storage_bucket.artifacts.soft_delete_policy[0].retention_duration_seconds == 604800
    error_message = "Deleted objects can be restored for 7 days."
  }
}

run "only_old_versions_and_temporary_objects_are_deleted" {
  command = plan

  assert {
    condition = alltrue([
      for rule in google_storage_bucket.artifacts.lifecycle_rule :
      anytrue([for c in rule.condition : c.with_state == "ARCHIVED" || join(",", coalesce(c.matches_prefix, tolist([]))) == "tmp/"])
      if anytrue([for a in rule.action : a.type == "Delete"])
    ])
    error_message = "A live object outside tmp/ would be deleted."
  }
  assert {
    condition = anytrue(flatten([
      for rule in google_storage_bucket.artifacts.lifecycle_rule : [for a in rule.action : a.storage_class == "COLDLINE"]
      if anytrue([for a in rule.action : a.type == "SetStorageClass"])
    ]))
    error_message = "Old results move to the colder class."
  }
  assert {
    condition = alltrue(flatten([
      for rule in google_storage_bucket.artifacts.lifecycle_rule : [
        for c in rule.condition : c.age == 30 && contains(coalesce(c.matches_prefix, tolist([])), "predictions/run_date=")
      ] if anytrue([for a in rule.action : a.type == "SetStorageClass"])
    ]))
    error_message = "Predictions grow cold after 30 days, and only days do."
  }
}

run "old_results_can_be_deleted_but_models_and_data_never" {
  command = plan

  variables {
    old_results    = "DELETE"
    retention_days = 60
  }

  assert {
    condition = alltrue(flatten([
      for rule in google_storage_bucket.artifacts.lifecycle_rule : [
        for c in rule.condition : c.with_state == "ARCHIVED" || alltrue([
          for prefix in coalesce(c.matches_prefix, tolist([])) : contains(["tmp/", "predictions/run_date=", "reports/run_date=", "online/date="], prefix)
        ]) && length(coalesce(c.matches_prefix, tolist([]))) > 0
      ] if anytrue([for a in rule.action : a.type == "Delete"])
    ]))
    error_message = "A rule would delete models, data or outcomes."
  }
}

run "the_account_may_use_objects_of_this_bucket_and_nothing_else" {
  command = plan

  assert {
    condition     = google_storage_bucket_iam_member.platform.role == "roles/storage.objectUser" && google_storage_bucket_iam_member.platform.bucket == google_storage_bucket.artifacts.name
    error_message = "The platform's account has the least role, on its bucket only."
  }
}

run "nothing_optional_is_made_unasked" {
  command = plan

  assert {
    condition     = length(google_iam_workload_identity_pool.github) == 0 && length(google_kms_crypto_key.artifacts) == 0 && length(google_storage_bucket.artifacts.encryption) == 0
    error_message = "Federation and keys are made only where they are asked for."
  }
}

run "github_is_let_in_from_one_repository_and_ref" {
  command = plan

  variables {
    github_repository = "lender/loans"
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github[0].attribute_condition == "assertion.sub == 'repo:lender/loans:ref:refs/heads/main'"
    error_message = "Other repositories or branches could log in."
  }
  assert {
    condition     = google_service_account_iam_member.github[0].role == "roles/iam.workloadIdentityUser"
    error_message = "Workflows may act as the account, and no more."
  }
}

run "a_key_of_ones_own_rotates_and_lies_where_the_bucket_does" {
  command = plan

  variables {
    customer_managed_key = true
  }

  assert {
    condition     = google_kms_key_ring.artifacts[0].location == "europe" && google_kms_crypto_key.artifacts[0].rotation_period == "7776000s"
    error_message = "The key lies in Europe like the bucket, and rotates every 90 days."
  }
}
