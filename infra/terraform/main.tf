locals {
  bucket = "loan-default-artifacts-${var.project_id}"

  # By day, so that the files that are written again and again (the marker of the latest prediction,
  # the history, the overview) never age. Models (mlflow/), data and outcomes are in no rule.
  results = ["predictions/run_date=", "reports/run_date=", "online/date="]
}

resource "google_project_service" "needed" {
  for_each = toset(["storage.googleapis.com", "iam.googleapis.com"])

  service            = each.value
  disable_on_destroy = false
}

resource "google_storage_bucket" "artifacts" {
  # checkov:skip=CKV_GCP_62: Cloud Audit Logs record access; access_log_bucket adds usage logs where they are wanted
  name     = local.bucket
  location = var.region

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.force_destroy

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 24 * 60 * 60
  }

  # Versions that were replaced or deleted.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = var.retention_days
      with_state                 = "ARCHIVED"
    }
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = var.retention_days
      with_state     = "LIVE"
      matches_prefix = ["tmp/"]
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = var.retention_days
    }
  }

  lifecycle_rule {
    action {
      type          = var.old_results == "DELETE" ? "Delete" : "SetStorageClass"
      storage_class = var.old_results == "DELETE" ? null : var.old_results
    }
    condition {
      age            = var.retention_days
      with_state     = "LIVE"
      matches_prefix = local.results
    }
  }

  dynamic "logging" {
    for_each = var.access_log_bucket[*]
    content {
      log_bucket = logging.value
    }
  }

  dynamic "encryption" {
    for_each = google_kms_crypto_key.artifacts[*].id
    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [google_project_service.needed, google_kms_crypto_key_iam_member.storage]
}

resource "google_service_account" "platform" {
  account_id   = "loan-default-platform"
  display_name = "Loan-default platform"
  description  = "Reads and writes objects of ${local.bucket}, and nothing else."

  depends_on = [google_project_service.needed]
}

# Read, write and list objects of this one bucket: no role on the project, none over the bucket itself.
resource "google_storage_bucket_iam_member" "platform" {
  bucket = google_storage_bucket.artifacts.name
  role   = "roles/storage.objectUser"
  member = google_service_account.platform.member
}
