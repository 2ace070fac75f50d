# Optional (github_repository): workflows of one repository on one ref act as the platform's account,
# with tokens that GitHub signs for each run. There is no key to download, to leak or to rotate.

locals {
  github = var.github_repository == null ? 0 : 1
}

resource "google_project_service" "federation" {
  for_each = toset(local.github == 1 ? ["iamcredentials.googleapis.com", "sts.googleapis.com"] : [])

  service            = each.value
  disable_on_destroy = false
}

resource "google_iam_workload_identity_pool" "github" {
  count = local.github

  workload_identity_pool_id = "github-actions"
  display_name              = "GitHub Actions"

  depends_on = [google_project_service.federation]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  # checkov:skip=CKV_GCP_125: it reads github_repository as its default, null; the condition names one repository and ref (tests/bucket.tftest.hcl)
  count = local.github

  workload_identity_pool_id          = google_iam_workload_identity_pool.github[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub"
  attribute_condition                = "assertion.sub == 'repo:${var.github_repository}:ref:${var.github_ref}'"

  attribute_mapping = {
    "google.subject" = "assertion.sub"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github" {
  count = local.github

  service_account_id = google_service_account.platform.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.github[0].name}/subject/repo:${var.github_repository}:ref:${var.github_ref}"
}
