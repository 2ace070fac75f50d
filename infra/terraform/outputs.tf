output "bucket" {
  description = "Name of the bucket: GCS_BUCKET in .env."
  value       = google_storage_bucket.artifacts.name
}

output "service_account" {
  description = "The platform's account."
  value       = google_service_account.platform.email
}

output "github_provider" {
  description = "workload_identity_provider of google-github-actions/auth; null without github_repository."
  value       = one(google_iam_workload_identity_pool_provider.github[*].name)
}
